/** Who has a database open: seen by inode, whatever name it was opened under. */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, existsSync, linkSync, openSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { describeHolders, findHolders } from '../../engine/databases/open-holders.ts';
import { testFolder } from '../support/build-repository.ts';
import { makeShelf, SqliteWriter } from '../support/sqlite-writer.ts';

const NO_PROC = !existsSync('/proc/self/fd') && 'there is no /proc';
const NOBODY = 65_534;

async function holding(
  t: TestContext,
  paths: readonly string[],
  options: { readonly argv0?: string; readonly uid?: number } = {},
): Promise<ChildProcess> {
  const program = `const fs = require('fs'); for (const path of process.argv.slice(1)) fs.openSync(path);
    console.log('open'); setInterval(() => {}, 1e6)`;
  const child = spawn(process.execPath, ['-e', program, ...paths], {
    stdio: ['ignore', 'pipe', 'inherit'],
    ...options,
  });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout ?? child, 'data');
  return child;
}

function pathsOf(paths: readonly string[]): [number, string][] {
  return findHolders(paths.map((path) => Buffer.from(path))).holders.map(({ pid, path }) => [pid, path.toString()]);
}

test('a program that is idle shows, in both journal modes, and is gone once it closed', {
  skip: NO_PROC,
}, async (t) => {
  const folder = testFolder(t);
  for (const journalMode of ['wal', 'delete'] as const) {
    const path = join(folder, `${journalMode}.db`);
    makeShelf(path, { journalMode });
    assert.deepEqual(pathsOf([path]), []);
    const writer = await SqliteWriter.start(t, path);
    await writer.order('hold-open');
    const { holders } = findHolders([Buffer.from(path)]);
    assert.deepEqual(
      holders.map(({ command, path: held }) => [command, held.toString()]),
      [['node', path]],
      'one for a database, whichever of its files are open',
    );
    assert.match(describeHolders(holders), /^process \d+ \(node\)$/);
    await writer.stop();
    assert.deepEqual(pathsOf([path]), []);
  }
});

test('a file is known by its inode: hard links, links and side files count, equal names do not', {
  skip: NO_PROC,
}, async (t) => {
  const folder = testFolder(t);
  const at = (name: string): string => join(folder, name);
  for (const name of ['first.db', 'second.db', 'third.db', 'third.db-journal', 'fourth.db'])
    writeFileSync(at(name), name);
  linkSync(at('first.db'), at('other name'));
  symlinkSync('second.db', at('link.db'));
  const child = await holding(t, [at('other name'), at('link.db'), at('third.db-journal')]);
  unlinkSync(at('other name'));
  const pid = child.pid ?? 0;
  const asked = ['first.db', 'second.db', 'third.db', 'fourth.db', 'nothing.db', 'first.db/below'].map(at);
  assert.deepEqual(pathsOf(asked), [
    [pid, at('first.db')],
    [pid, at('second.db')],
    [pid, at('third.db')],
  ]);
  assert.deepEqual(pathsOf([at('link.db')]), [[pid, at('link.db')]]);
});

test('what this process has open itself does not count', { skip: NO_PROC }, (t) => {
  const path = join(testFolder(t), 'own.db');
  writeFileSync(path, 'own');
  const fd = openSync(path, 'r');
  assert.deepEqual(pathsOf([path]), []);
  closeSync(fd);
});

test('a program is named without what a terminal would obey, and without its arguments', {
  skip: NO_PROC,
}, async (t) => {
  const path = join(testFolder(t), 'named.db');
  writeFileSync(path, 'named');
  await holding(t, [path], { argv0: '/opt/ser\u001bver\u202e' });
  const { holders } = findHolders([Buffer.from(path)]);
  assert.deepEqual(
    holders.map(({ command }) => command),
    ['ser?ver?'],
  );
});

test('processes that may not be looked at make the answer incomplete, not wrong', { skip: NO_PROC }, async (t) => {
  if (process.geteuid?.() !== 0) return t.skip('only root can become another user');
  const folder = testFolder(t);
  chmodSync(folder, 0o755);
  const path = join(folder, 'shared.db');
  writeFileSync(path, 'shared');
  await holding(t, [path]);
  process.seteuid?.(NOBODY);
  try {
    assert.deepEqual(findHolders([Buffer.from(path)]), { holders: [], complete: false });
  } finally {
    process.seteuid?.(0);
  }
  assert.equal(findHolders([Buffer.from(path)]).holders.length, 1);
});

test('thousands of descriptors are looked through in a moment', { skip: NO_PROC }, async (t) => {
  const folder = testFolder(t);
  const path = join(folder, 'busy.db');
  writeFileSync(path, 'busy');
  await holding(
    t,
    Array.from({ length: 5000 }, () => path),
  );
  const started = performance.now();
  assert.equal(findHolders([Buffer.from(path)]).holders.length, 1);
  const elapsed = performance.now() - started;
  t.diagnostic(`5,000 descriptors of files in ${elapsed.toFixed(0)} ms`);
  assert.ok(elapsed < 5000);
});
