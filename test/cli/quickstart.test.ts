/** `npm run quickstart` on a folder, and the command that it ends with, as a person would copy it. */

import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import { testFolder } from '../support/build-repository.ts';
import { ServerProcess } from '../support/server-process.ts';
import { treeState } from '../support/tree-state.ts';

const PROGRAM = fileURLToPath(new URL('../../cli/quickstart/main.js', import.meta.url));

function library(t: TestContext): { readonly folder: string; readonly source: string } {
  const folder = testFolder(t);
  const source = join(folder, "a reader's library");
  mkdirSync(join(source, 'Melville'), { recursive: true });
  mkdirSync(join(folder, 'it is temporary'));
  writeFileSync(join(source, 'Melville', 'Moby-Dick.txt'), 'Call me Ishmael.');
  const database = new Database(join(source, 'library.db'));
  database.exec("CREATE TABLE book (title TEXT); INSERT INTO book VALUES ('Moby-Dick')");
  database.close();
  return { folder, source };
}

/** The environment of somebody who has another repository, and another server, on this machine. */
function environmentIn(folder: string): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    HOME: folder,
    TMPDIR: join(folder, 'it is temporary'),
    SNAP_REPOSITORY: join(folder, 'another repository'),
    SNAP_PASSWORD: 'another password',
    SNAP_STATE_DIR: join(folder, 'another state'),
    SNAP_LISTEN: '127.0.0.1:0',
  };
}

test('the quickstart ends with a command that opens the page on what it stored, just as it is printed', async (t) => {
  const { folder, source } = library(t);
  const before = treeState(source);
  const env = environmentIn(folder);
  const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, source], { env });
  assert.match(stdout, /All is well: what came back is exactly what was saved\./);
  assert.deepEqual(treeState(source), before);
  const command = /^ {2}(node [\s\S]*?)\n\n/m.exec(stdout)?.[1] ?? assert.fail(stdout);

  const child: ChildProcess = spawn('sh', ['-c', `exec ${command}`], { cwd: folder, env, stdio: 'pipe' });
  const server = await ServerProcess.of(t, child);
  const { status } = await fetch(`${server.url}/healthz`);
  assert.equal(status, 200);
  const admin = await server.setUp();
  const { items } = await admin.get('/snapshots');
  assert.equal(items.length, 2);
  assert.equal(items[0].paths[0].path, source);
  assert.deepEqual(await server.end('SIGINT'), { code: 130, signal: null });
});

test('a folder that is not there is wrong usage', async (t) => {
  const { folder } = library(t);
  const child = spawn(process.execPath, [PROGRAM, join(folder, 'nowhere')], { env: environmentIn(folder) });
  assert.deepEqual(await once(child, 'exit'), [2, null]);
});
