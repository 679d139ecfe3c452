import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { EngineError } from '../../engine/base/errors.ts';
import { backup } from '../../engine/operations/backup/backup.ts';
import { readFileContent } from '../../engine/operations/cat.ts';
import { check } from '../../engine/operations/check/check.ts';
import { listEntries } from '../../engine/operations/list.ts';
import { restore } from '../../engine/operations/restore/restore.ts';
import { Repository } from '../../engine/repository/repository.ts';
import { type Backend, FILE_KINDS, type FileKind } from '../../engine/storage/backend.ts';
import { MemoryBackend } from '../../engine/storage/memory.ts';
import { testFolder } from '../support/build-repository.ts';
import { MissingFile, ReplacedFile } from '../support/faulty-backend.ts';
import { randomFor } from '../support/random.ts';
import { treeState } from '../support/tree-state.ts';

const CREDENTIAL = { type: 'password', password: Buffer.from('flip') } as const;
const CHEAP = { memoryKiB: 8, iterations: 1, parallelism: 1 };

interface RepositoryFile {
  readonly kind: FileKind;
  readonly name: string;
  readonly bytes: Buffer;
}

interface Given {
  readonly backend: Backend;
  readonly files: readonly RepositoryFile[];
  readonly cacheDirectory: string;
  readonly folder: string;
  /** What each snapshot holds, by snapshot and path. */
  readonly expected: ReadonlyMap<string, ReadonlyMap<string, string>>;
  readonly states: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

async function tinyRepository(t: TestContext): Promise<Given> {
  const folder = testFolder(t);
  const source = join(folder, 'source');
  const cacheDirectory = join(folder, 'cache');
  const random = randomFor(t);
  mkdirSync(join(source, 'books'), { recursive: true });
  writeFileSync(join(source, 'books', 'one'), 'a text that is short');
  writeFileSync(join(source, 'books', 'two'), random.bytes(900));
  symlinkSync('one', join(source, 'books', 'link'));
  const backend = new MemoryBackend('memory:flips');
  const made = await Repository.init({ backend, credential: CREDENTIAL, cacheDirectory, passwordCost: CHEAP });
  await backup(made, { paths: [Buffer.from(source)] });
  const states = new Map<string, ReadonlyMap<string, string>>();
  const [first] = await made.snapshots.list();
  states.set(first?.id ?? '', treeState(source));
  writeFileSync(join(source, 'second night'), random.bytes(700));
  const second = await backup(made, { paths: [Buffer.from(source)] });
  states.set(second.snapshot?.id ?? '', treeState(source));
  const files: RepositoryFile[] = [];
  for (const kind of FILE_KINDS) {
    for await (const { name } of backend.list(kind)) files.push({ kind, name, bytes: await backend.read(kind, name) });
  }
  const expected = new Map<string, ReadonlyMap<string, string>>();
  const opened = await Repository.open({ backend, credential: CREDENTIAL, cacheDirectory });
  for (const id of states.keys()) expected.set(id, await contentOf(opened, id));
  return { backend, files, cacheDirectory, folder, expected, states };
}

/** Type and content of every path of a snapshot; throws what reading throws. */
async function contentOf(repository: Repository, snapshot: string): Promise<Map<string, string>> {
  const content = new Map<string, string>();
  for await (const { path, node } of listEntries(repository, { snapshot, recursive: true })) {
    const pieces: Buffer[] = [];
    if (node.type === 'file') {
      for await (const piece of readFileContent(repository, { snapshot, path })) pieces.push(piece);
    }
    const facts = [node.type, node.mode, node.mtime.seconds, node.mtime.nanoseconds, node.linkTarget?.toString('hex')];
    content.set(path.toString('latin1'), `${facts.join()} ${Buffer.concat(pieces).toString('hex')}`);
  }
  return content;
}

function engineError(error: unknown, what: string): EngineError {
  if (error instanceof EngineError && error.code !== 'INTERNAL') return error;
  throw new Error(`${what}: this is no clear error: ${error instanceof Error ? error.stack : String(error)}`);
}

/**
 * Holds a damaged repository against what it should be: what a check does not name restores as it was, and nothing is
 * ever given out wrong.
 */
async function audit(given: Given, backend: Backend, what: string): Promise<'detected' | 'harmless'> {
  let repository: Repository;
  try {
    repository = await Repository.open({ backend, credential: CREDENTIAL, cacheDirectory: given.cacheDirectory });
  } catch (error) {
    assert.fail(`${what}: it does not open any more: ${engineError(error, what).message}`);
  }
  const { errors } = await check(repository, { readData: true });
  const named = new Set(errors.flatMap(({ snapshots }) => snapshots));
  for (const [id, expected] of given.expected) {
    try {
      assert.deepEqual(await contentOf(repository, id), expected, `${what}: wrong bytes were given out`);
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      const { message } = engineError(error, what);
      assert.ok(
        named.has(id),
        `${what}: snapshot ${id.slice(0, 8)} fails (${message}) and check names only ${[...named].join()}`,
      );
    }
  }
  return errors.length > 0 ? 'detected' : 'harmless';
}

/** The same through a real restore into a folder. */
async function auditRestore(given: Given, backend: Backend, what: string): Promise<void> {
  for (const [id, state] of given.states) {
    const target = join(given.folder, `target ${what.replaceAll('/', '_')} ${id.slice(0, 8)}`);
    try {
      const repository = await Repository.open({
        backend,
        credential: CREDENTIAL,
        cacheDirectory: given.cacheDirectory,
      });
      const path = Buffer.from(join(given.folder, 'source'));
      const result = await restore(repository, { snapshot: id, path, target: Buffer.from(target) });
      if (result.problemCount === 0) assert.deepEqual(treeState(target), state, what);
      else for (const { code } of result.problems) assert.match(code, /^OBJECT_/, what);
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      engineError(error, what);
    }
  }
}

test('every byte flipped in turn is detected or harmless, and what is not hit still restores', async (t) => {
  const given = await tinyRepository(t);
  const total = given.files.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const counts = { detected: 0, harmless: 0 };
  let flip = 0;
  for (const file of given.files) {
    for (let at = 0; at < file.bytes.length; at++, flip++) {
      const bytes = Buffer.from(file.bytes);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (flip % 8));
      const what = `${file.kind}/${file.name} byte ${at}`;
      const backend = new ReplacedFile(given.backend, { ...file, bytes });
      counts[await audit(given, backend, what)]++;
      if (flip % 211 === 0) await auditRestore(given, backend, what);
    }
  }
  t.diagnostic(
    `${total} bytes in ${given.files.length} files: ${counts.detected} detected, ${counts.harmless} harmless`,
  );
  assert.equal(counts.harmless, 0, 'every byte of every file is under a check');
});

test('a truncated, missing, renamed or swapped file is detected, and what is not hit still restores', async (t) => {
  const given = await tinyRepository(t);
  for (const file of given.files) {
    const name = `${file.kind}/${file.name}`;
    const lengths = [0, 1, 24, 39, 40, file.bytes.length >> 1, file.bytes.length - 1];
    for (const length of lengths.filter((wanted) => wanted < file.bytes.length)) {
      const backend = new ReplacedFile(given.backend, { ...file, bytes: file.bytes.subarray(0, length) });
      assert.equal(await audit(given, backend, `${name} cut to ${length}`), 'detected');
      await auditRestore(given, backend, `${name} cut to ${length}`);
    }
    const longer = new ReplacedFile(given.backend, {
      ...file,
      bytes: Buffer.concat([file.bytes, Buffer.from('more')]),
    });
    assert.equal(await audit(given, longer, `${name} with more behind it`), 'detected');
    const missing = new MissingFile(given.backend, file);
    if (file.kind === 'snapshot') continue;
    const outcome = await audit(given, missing, `${name} missing`);
    // Packs tell themselves what an index segment said: without it nothing is lost.
    if (file.kind !== 'index') assert.equal(outcome, 'detected', `${name} missing`);
    await auditRestore(given, missing, `${name} missing`);
    for (const other of given.files) {
      if (other.kind !== file.kind || other.name === file.name || other.bytes.equals(file.bytes)) continue;
      const swapped = new ReplacedFile(given.backend, { ...file, bytes: other.bytes });
      assert.equal(await audit(given, swapped, `${name} is ${other.name}`), 'detected');
    }
  }
});
