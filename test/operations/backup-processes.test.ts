import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { MIB } from '../../engine/base/limits.ts';
import { check } from '../../engine/operations/check/check.ts';
import { Library } from '../support/library.ts';
import { randomFor, rounds } from '../support/random.ts';
import { startBackup } from '../support/run-backup-child.ts';
import { treeState } from '../support/tree-state.ts';

const PEAK_MIB = 300;

/** Large data goes to memory where there is any, so that no disk is in the way of what is measured. */
async function roomyLibrary(t: TestContext): Promise<Library> {
  const parent = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  const folder = mkdtempSync(join(parent, 'snap-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const library = await Library.make(t, { folder });
  mkdirSync(library.source);
  return library;
}

function places(library: Library): { repository: string; cache: string; source: string } {
  const { folder, source } = library;
  return { repository: join(folder, 'repository'), cache: join(folder, 'cache'), source };
}

function tinyFiles(source: string, count: number): void {
  for (let number = 0; number < count; number++) {
    const folder = join(source, `${number % 37}`, `${Math.floor(number / 100)}`);
    if (number < 37 || number % 100 < 37) mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `${number}`), `${number} `.repeat(5 + (number % 200)));
  }
}

test('invariant 10: many small files are backed up within the bound of memory', async (t) => {
  const library = await roomyLibrary(t);
  tinyFiles(library.source, rounds(40_000));
  const report = await startBackup(places(library)).report;
  assert.equal(report?.files, rounds(40_000));
  t.diagnostic(`${report.memoryMiB.toFixed(0)} MiB, ${report.durationMs.toFixed(0)} ms`);
  assert.ok(report.memoryMiB < PEAK_MIB, `${report.memoryMiB} MiB`);
});

test('invariant 10: large files are backed up within the bound of memory', async (t) => {
  const library = await roomyLibrary(t);
  const piece = randomBytes(32 * MIB);
  for (let number = 0; number < rounds(16); number++) {
    // Other bytes in each MiB, for less than random bytes would cost.
    for (let at = 0; at < piece.length; at += 512) piece.writeUInt32LE(number * 65_536 + at / 512, at);
    writeFileSync(join(library.source, `${number}`), piece);
  }
  const report = await startBackup(places(library)).report;
  t.diagnostic(`${report?.memoryMiB.toFixed(0)} MiB, ${report?.durationMs.toFixed(0)} ms`);
  assert.ok(report !== undefined && report.dataAdded > rounds(16) * 16 * MIB, 'most of it is new');
  assert.ok(report.memoryMiB < PEAK_MIB, `${report.memoryMiB} MiB`);
});

test('two backups at once into one repository both succeed, and a third finds all of it stored', async (t) => {
  const library = await Library.make(t);
  mkdirSync(library.source);
  for (let number = 0; number < 300; number++) {
    mkdirSync(join(library.source, `${number % 9}`), { recursive: true });
    writeFileSync(join(library.source, `${number % 9}`, `${number}`), randomBytes(100_000));
  }
  const others = { ...places(library), cache: join(library.folder, 'cache of another machine') };
  const both = [startBackup(places(library)), startBackup(places(library)), startBackup(others)];
  const reports = await Promise.all(both.map(({ report }) => report));
  for (const report of reports) assert.equal(report?.error, undefined);
  await library.reopen();
  const snapshots = await library.repository.snapshots.list();
  assert.equal(snapshots.length, 3);
  assert.deepEqual((await check(library.repository, { readData: true })).errors, []);
  for (const { id } of snapshots) {
    const { target } = await library.restore(id);
    assert.deepEqual(treeState(target), treeState(library.source));
  }
  const forced = await library.backup({ force: true });
  assert.ok(forced.counts.dataAdded < 3000, `${forced.counts.dataAdded}`);
});

test('a backup killed half-way is gone on with by another process: finished files are not read again', async (t) => {
  const library = await Library.make(t);
  mkdirSync(library.source);
  for (let number = 0; number < 150; number++) writeFileSync(join(library.source, `${number}`), randomBytes(2 * MIB));
  await new Promise((resolve) => setTimeout(resolve, 60));
  const packs = join(library.folder, 'repository', 'packs');
  const child = startBackup(places(library));
  const stored = (): number => readdirSync(packs, { recursive: true }).filter((name) => String(name).length > 3).length;
  while (stored() < 4 && child.process.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 5));
  child.process.kill('SIGKILL');
  if ((await child.report) !== undefined) return t.skip('it was too fast to be killed');
  const before = stored();
  const report = await startBackup(places(library)).report;
  assert.equal(report?.files, 150);
  // Of each pack that was durable all files but the one at its end are known.
  assert.ok(report.bytesRead <= 300 * MIB * 1.2 - before * 20 * MIB, `${report.bytesRead / MIB} MiB, ${before} packs`);
  const { target } = await library.restore();
  assert.deepEqual(treeState(target), treeState(library.source));
});

test('an interruption ends a run within a second at any moment, and keeps what is stored', async (t) => {
  const random = randomFor(t);
  const library = await Library.make(t);
  mkdirSync(library.source);
  writeFileSync(join(library.source, 'very large'), randomBytes(400 * MIB));
  for (let number = 0; number < 4000; number++) writeFileSync(join(library.source, `${number}`), `file ${number}`);
  let interrupted = 0;
  for (let round = 0; round < rounds(8); round++) {
    const controller = new AbortController();
    let abortedMs = 0;
    const timer = setTimeout(() => {
      abortedMs = performance.now();
      controller.abort();
    }, random.below(900));
    const error: unknown = await library.backup({ signal: controller.signal, force: true }).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    clearTimeout(timer);
    if (error === undefined) continue;
    interrupted++;
    assert.equal((error as { code: string }).code, 'INTERRUPTED');
    assert.ok(performance.now() - abortedMs < 1000, `${performance.now() - abortedMs} ms`);
    assert.deepEqual(await locks(library), [], 'the lease is given back');
  }
  assert.ok(interrupted > 0);
  const last = await library.backup();
  t.diagnostic(`${interrupted} interruptions; the last run read ${(last.bytesRead / MIB).toFixed(0)} MiB`);
  const { target } = await library.restore();
  assert.deepEqual(treeState(target), treeState(library.source));
});

async function locks(library: Library): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of library.repository.backend.list('lock')) names.push(name);
  return names;
}
