import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Monitor } from '../../engine/base/monitor.ts';
import { listEntries } from '../../engine/operations/list.ts';
import { Library } from '../support/library.ts';

/** Longer than a tick of any clock, so that what was made before is trusted. */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 60));
}

async function pathsIn(given: Library): Promise<string[]> {
  const paths: string[] = [];
  const path = Buffer.from(given.source);
  for await (const entry of listEntries(given.repository, { snapshot: 'latest', path, recursive: true })) {
    paths.push(entry.path.toString().slice(given.source.length + 1));
  }
  return paths;
}

/** Folders a, m and z, each with a file; z holds the folder `moving`. */
async function threeFolders(t: TestContext): Promise<Library> {
  const given = await Library.make(t);
  for (const name of ['a', 'm', 'z/moving/inner']) {
    mkdirSync(join(given.source, name), { recursive: true });
    writeFileSync(join(given.source, name, 'file'), `in ${name}`);
  }
  await settle();
  return given;
}

/** Does each act at one of the times that the run tells how far it is; the first of them when folder a is done. */
function acting(...acts: (() => void)[]): Monitor {
  return {
    progress: () => {
      acts.shift()?.();
      // Longer than what lies at least between two calls, so that none is left out.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 110);
    },
  };
}

for (const hasParent of [false, true]) {
  const which = hasParent ? 'with a parent' : 'without a parent';
  test(`a folder that moves during the walk to where the walk was already is not lost (${which})`, async (t) => {
    const given = await threeFolders(t);
    if (hasParent) await given.backup();
    const monitor = acting(() => renameSync(join(given.source, 'z/moving'), join(given.source, 'a/moved')));
    const result = await given.backup({ monitor, force: !hasParent });
    assert.equal(result.problemCount, 0);
    const paths = await pathsIn(given);
    assert.ok(paths.includes('a/moved/inner/file'), paths.join(' '));
    assert.ok(!paths.includes('z/moving'), 'and it is not in two places');
  });
}

test('a folder that moves again while its first move is being followed is not lost', async (t) => {
  const given = await threeFolders(t);
  const path = (name: string): string => join(given.source, name);
  // First to a (already listed); while a is listed again, to m, which that round does not list.
  const monitor = acting(
    () => renameSync(path('z/moving'), path('a/moved')),
    () => undefined,
    () => undefined,
    () => renameSync(path('a/moved'), path('m/moved')),
  );
  const result = await given.backup({ monitor });
  const paths = await pathsIn(given);
  assert.ok(
    paths.some((name) => name.endsWith('moved/inner/file') || name.endsWith('moving/inner/file')),
    `${paths.join(' ')} ${JSON.stringify(result.problems)}`,
  );
});

test('files that come and go while a folder is listed are no problem', async (t) => {
  const given = await threeFolders(t);
  const path = (name: string): string => join(given.source, name);
  const monitor = acting(() => {
    rmSync(path('z/moving/inner/file'));
    writeFileSync(path('a/new'), 'new');
  });
  const result = await given.backup({ monitor });
  assert.equal(result.problemCount, 0);
  const paths = await pathsIn(given);
  assert.ok(paths.includes('a/new'));
  assert.ok(!paths.includes('z/moving/inner/file'));
});

test('a source that vanishes while the run is under way is named', async (t) => {
  const given = await threeFolders(t);
  const other = join(given.folder, 'zz other');
  mkdirSync(other);
  const monitor = acting(() => rmSync(other, { recursive: true }));
  const result = await given.backup({ paths: [Buffer.from(given.source), Buffer.from(other)], monitor });
  assert.deepEqual(
    result.problems.map(({ path, code }) => [path, code]),
    [[other, 'ENOENT']],
  );
});

test('a problem in a folder that is listed twice is told once', async (t) => {
  const given = await threeFolders(t);
  // A name that never can be opened: a link to itself is a source that is left a link; a fifo is no problem. So: exclude.
  const monitor = acting(() => writeFileSync(join(given.source, 'a/new'), 'new'));
  const result = await given.backup({ monitor, excludes: ['a/file'] });
  assert.equal(result.snapshot?.leftOut.count, 1);
});

test('a folder that never stands still is in the snapshot somewhere, or the run says so', async (t) => {
  const given = await threeFolders(t);
  for (let number = 0; number < 300; number++) {
    mkdirSync(join(given.source, `f${number}`));
    writeFileSync(join(given.source, `f${number}`, 'file'), `${number}`);
  }
  await settle();
  const program = `const { renameSync } = require('node:fs'); const places = ['a/x', 'f150/x', 'm/x', 'z/x'];
    let at = process.argv[1] + '/z/moving'; let next = 0;
    setInterval(() => { const to = process.argv[1] + '/' + places[next++ % 4]; if (to !== at) renameSync(at, to); at = to; }, 2)`;
  const child = spawn(process.execPath, ['-e', program, given.source], { stdio: 'ignore' });
  t.after(() => child.kill());
  await new Promise((resolve) => setTimeout(resolve, 300));
  for (let round = 0; round < 8; round++) {
    const result = await given.backup({ force: round % 2 === 0 });
    const there = (await pathsIn(given)).filter((path) => path.endsWith('inner/file')).length;
    const said = result.problems.some(({ code }) => code === 'CHANGED_WHILE_LISTED');
    assert.ok(there > 0 || said, `round ${round}: ${JSON.stringify(result.problems)}`);
  }
});
