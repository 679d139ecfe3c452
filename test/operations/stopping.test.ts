/** Searches and comparisons that nobody wants any more: a client that went away. */

import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { isEngineError } from '../../engine/base/errors.ts';
import { diff } from '../../engine/operations/diff/diff.ts';
import { findEntries } from '../../engine/operations/find.ts';
import { listEntries } from '../../engine/operations/list.ts';
import { logPath } from '../../engine/operations/log.ts';
import { Repository } from '../../engine/repository/repository.ts';
import {
  dir,
  file,
  type NamedEntry,
  SnapshotBuilder,
  testFolder,
  testRepository,
} from '../support/build-repository.ts';
import { CountedReads } from '../support/faulty-backend.ts';
import { Library } from '../support/library.ts';
import { Random } from '../support/random.ts';

const FOLDERS = 300;
const FILES = 60;

/** Two snapshots with many folders, each of which changed. */
async function given(t: TestContext): Promise<Repository> {
  const repository = await testRepository({ folder: testFolder(t) });
  const builder = new SnapshotBuilder(repository);
  for (const name of ['old', 'young']) {
    // Names that do not compress, so that there is something to read.
    const random = new Random(1);
    const folders = Array.from({ length: FOLDERS }, (_, number): NamedEntry => {
      const files = Array.from({ length: FILES }, (_, at): NamedEntry => {
        return [`${String(at).padStart(3, '0')} ${random.bytes(60).toString('hex')}`, file(at === 0 ? name : 'same')];
      });
      return [`folder ${number}`, dir(files)];
    });
    await builder.save(folders);
  }
  return repository;
}

interface Watched {
  readonly repository: Repository;
  /** Reads of packs so far. */
  readonly reads: () => number;
}

/** As another process would open it; `onRead` is told each read of a pack. */
async function watched(t: TestContext, onRead: (reads: number) => void = () => undefined): Promise<Watched> {
  const { backend, cacheDirectory } = await given(t);
  let reads = 0;
  const counted = new CountedReads(backend, () => onRead(++reads));
  const repository = await Repository.open({ backend: counted, credential: { type: 'none' }, cacheDirectory });
  return { repository, reads: () => reads };
}

/** Reads of a search or comparison that runs to its end, and of what `act` is about. */
const RUNS: readonly (readonly [
  what: string,
  run: (repository: Repository, signal?: AbortSignal) => AsyncGenerator<unknown>,
])[] = [
  ['find', (repository, signal) => findEntries(repository, { pattern: '0*', signal })],
  ['find without a match', (repository, signal) => findEntries(repository, { pattern: 'nothing', signal })],
  ['diff', (repository, signal) => diff(repository, { before: 'latest~1', after: 'latest', signal })],
  ['a list of all', (repository, signal) => listEntries(repository, { snapshot: 'latest', recursive: true, signal })],
];

async function drain(all: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of all) count++;
  return count;
}

for (const [what, run] of RUNS) {
  test(`${what}: the signal ends it while it reads, and nothing is read behind it`, async (t) => {
    const controller = new AbortController();
    let total = 0;
    const { repository, reads } = await watched(t, (count) => {
      if (total > 0 && count === total + 3) controller.abort();
    });
    await drain(run(repository));
    total = reads();
    assert.ok(total > 40, `${total} reads are enough to be cut off`);
    const again = await Repository.open({
      backend: repository.backend,
      credential: { type: 'none' },
      cacheDirectory: repository.cacheDirectory,
    });
    await assert.rejects(drain(run(again, controller.signal)), { code: 'INTERRUPTED' });
    await sleep(50);
    // What was under way when it fired may still have come.
    assert.ok(reads() - total < 30, `${reads() - total} of ${total} reads`);
  });

  test(`${what}: a signal that fired before ends it at once`, async (t) => {
    const { repository } = await watched(t);
    await assert.rejects(drain(run(repository, AbortSignal.abort())), { code: 'INTERRUPTED' });
  });
}

for (const [what, run] of RUNS.filter(([name]) => name !== 'find without a match')) {
  test(`${what}: whoever takes no more ends it`, async (t) => {
    const { repository, reads } = await watched(t);
    for await (const _ of run(repository)) break;
    await sleep(50);
    const before = reads();
    await sleep(200);
    assert.equal(reads(), before);
  });
}

test('log ends with its signal', async (t) => {
  const { repository } = await watched(t);
  const path = Buffer.from('/folder 1');
  assert.equal((await logPath(repository, { path })).length, 2);
  await assert.rejects(logPath(repository, { path, signal: AbortSignal.abort() }), { code: 'INTERRUPTED' });
});

/** Folders and files below `folder` that this process has open. */
function openBelow(folder: string): string[] {
  const links = readdirSync('/proc/self/fd').map((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`);
    } catch {
      return '';
    }
  });
  return links.filter((path) => path.startsWith(folder));
}

async function liveLibrary(t: TestContext): Promise<Library> {
  const library = await Library.make(t);
  for (let number = 0; number < 40; number++) {
    mkdirSync(join(library.source, `folder ${number}`), { recursive: true });
    for (const name of ['one', 'two']) writeFileSync(join(library.source, `folder ${number}`, name), name);
  }
  await sleep(60);
  await library.backup();
  for (let number = 0; number < 40; number++) writeFileSync(join(library.source, `folder ${number}`, 'one'), 'changed');
  await library.reopen();
  return library;
}

/** A signal that fires when it is looked at for the n-th time: at every place, one after the other. */
function signalAt(looks: number): AbortSignal {
  const { signal } = new AbortController();
  let left = looks;
  return Object.defineProperty(signal, 'aborted', { get: () => --left < 0 });
}

test('diff with the disk: whoever takes no more, or gives the signal, leaves nothing open', async (t) => {
  const library = await liveLibrary(t);
  const options = { before: 'latest', after: { live: { readData: true } } };
  for await (const { event } of diff(library.repository, options)) if (event === 'change') break;
  assert.deepEqual(openBelow(library.source), []);
  let interrupted = 0;
  for (let looks = 0; ; looks += 7) {
    try {
      await drain(diff(library.repository, { ...options, signal: signalAt(looks) }));
      break;
    } catch (error) {
      assert.ok(isEngineError(error, 'INTERRUPTED'), String(error));
      interrupted++;
    }
    assert.deepEqual(openBelow(library.source), []);
  }
  assert.ok(interrupted > 20, `${interrupted} places`);
});

/** Processes that this one started and that are still there. */
function children(): number[] {
  return readFileSync(`/proc/self/task/${process.pid}/children`, 'latin1').split(' ').filter(Boolean).map(Number);
}

test('diff of databases: neither images nor a process are left behind', async (t) => {
  const library = await Library.make(t);
  mkdirSync(library.source);
  const database = new Database(join(library.source, 'shelf.db'));
  database.exec('CREATE TABLE book (id INTEGER PRIMARY KEY, title TEXT)');
  const insert = database.prepare('INSERT INTO book (title) VALUES (?)');
  const addMany = database.transaction(() => {
    for (let book = 0; book < 200_000; book++) insert.run(`title ${book} `.repeat(4));
  });
  addMany();
  await library.backup();
  addMany();
  await library.backup();
  database.close();
  const repository = await library.reopen();
  const scratch = join(repository.cacheDirectory, 'scratch');
  const before = children();
  const options = { before: 'latest~1', after: 'latest', rows: true };
  let seen = 0;
  for await (const { event } of diff(repository, options)) if (event === 'row' && ++seen === 3) break;
  assert.deepEqual([seen, readdirSync(scratch)], [3, []]);
  // While the images are compared by a process.
  const controller = new AbortController();
  const comparing = drain(diff(repository, { ...options, signal: controller.signal }));
  while (children().length === before.length) await sleep(1);
  controller.abort();
  await assert.rejects(comparing, { code: 'INTERRUPTED' });
  assert.deepEqual(readdirSync(scratch), []);
  assert.deepEqual(children(), before);
});
