/** What an image or a unit runs: the installed files alone, as nobody, on a read-only file system. */

import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { testFolder } from '../support/build-repository.ts';
import { CHEAP_PASSWORD } from '../support/cli.ts';
import { install, NO_CONFINEMENT, type Rights, spawnConfined } from '../support/installation.ts';
import { ServerProcess } from '../support/server-process.ts';
import { treeState } from '../support/tree-state.ts';

const skip = NO_CONFINEMENT;
const UNITS = fileURLToPath(new URL('../../../docs/systemd/', import.meta.url));
const READER = 1234;

interface Place {
  readonly folder: string;
  readonly source: string;
  readonly env: NodeJS.ProcessEnv;
  readonly writable: readonly string[];
  /** As the library's server has it open. */
  readonly database: Database.Database;
}

const app = mkdtempSync(join(tmpdir(), 'snap-app-'));
chmodSync(app, 0o755);
const program = skip === false ? install(app) : '';
after(() => rmSync(app, { recursive: true }));

function given(t: TestContext): Place {
  const folder = testFolder(t);
  chmodSync(folder, 0o755);
  const source = join(folder, 'library');
  mkdirSync(source);
  writeFileSync(join(source, 'book.m4b'), Buffer.alloc(200_000, 'Call me Ishmael. '));
  const database = new Database(join(source, 'library.db'));
  database.pragma('journal_mode = WAL');
  database.exec("CREATE TABLE book (title TEXT); INSERT INTO book VALUES ('Moby-Dick')");
  t.after(() => database.close());
  const writable = ['repository', 'state', 'cache'].map((name) => join(folder, name));
  const env = {
    PATH: process.env['PATH'],
    SNAP_REPOSITORY: join(folder, 'repository'),
    SNAP_STATE_DIR: join(folder, 'state'),
    SNAP_CACHE_DIR: join(folder, 'cache'),
    SNAP_PASSWORD_FILE: join(folder, 'password'),
    SNAP_LISTEN: '127.0.0.1:0',
  };
  writeFileSync(join(folder, 'password'), 'correct horse\n');
  return { folder, source, env, writable, database };
}

/** Runs one verb to its end; its exit code, and all that it said. */
async function snap({ env, writable }: Place, parameters: readonly string[], rights: Partial<Rights> = {}) {
  const child = spawnConfined([program, ...parameters], { writable, ...rights }, { env, stdio: 'pipe' });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  }
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, said };
}

test('the installed files serve, back up and end in order: as nobody, all but three folders read-only', {
  skip,
}, async (t) => {
  const place = given(t);
  const { env, source, writable } = place;
  const before = treeState(source);
  assert.equal((await snap(place, ['init', ...CHEAP_PASSWORD])).code, 0);
  const child = spawnConfined([program, 'serve', source], { writable }, { env, stdio: 'pipe' });
  const server = await ServerProcess.of(t, child);
  assert.equal((await fetch(`${server.url}/healthz`)).status, 200);
  const page = await (await fetch(`${server.url}/`)).text();
  const script = /src="([^"]+\.js)"/.exec(page)?.[1] ?? assert.fail(page);
  assert.equal((await fetch(new URL(script, server.url))).status, 200, 'the page comes along');
  const admin = await server.setUp();
  const { job } = await admin.post('/schedule/run');
  const { job: night } = await admin.untilOver(job.id);
  assert.deepEqual([night.status, night.outcome], ['COMPLETED', 'done'], JSON.stringify(night));
  const { items } = await admin.get('/backups');
  const zip = await admin.fetch(`/backups/${items[0].id}/download`);
  assert.equal(zip.status, 200, await zip.clone().text());
  assert.ok((await zip.arrayBuffer()).byteLength > 200_000);
  assert.equal((await admin.get('/openapi.json')).openapi, '3.1.0');
  assert.deepEqual(await server.end('SIGTERM'), { code: 143, signal: null });
  assert.deepEqual(treeState(source), before, 'what is only read stays as it was');
});

/** The capabilities that a unit, or what is put beside it, leaves the program. */
function capabilitiesOf(unit: string): string[] {
  const text = readFileSync(join(UNITS, unit), 'utf8');
  const found = (key: string): string[] => (new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1] ?? '').split(' ');
  assert.deepEqual(found('AmbientCapabilities'), found('CapabilityBoundingSet'));
  return found('AmbientCapabilities');
}

test('the capabilities of the units are enough: to read what is only for its owner, and to give it back to him', {
  skip,
}, async (t) => {
  const place = given(t);
  const { source, writable, folder, database } = place;
  assert.equal((await snap(place, ['init', ...CHEAP_PASSWORD])).code, 0);
  const secret = join(source, 'only for its owner', 'book.epub');
  mkdirSync(join(secret, '..'));
  writeFileSync(secret, 'a book');
  chmodSync(secret, 0o600);
  chmodSync(join(secret, '..'), 0o700);
  for (const path of [secret, join(secret, '..')]) chownSync(path, READER, READER);

  const without = await snap(place, ['backup', source]);
  assert.equal(without.code, 3, without.said);
  for (const unit of ['snap-serve.service', 'snap-night.service']) {
    const night = await snap(place, ['backup', source], { capabilities: capabilitiesOf(unit) });
    assert.equal(night.code, 0, night.said);
  }

  // A restore in place needs more, and somewhere to write.
  rmSync(secret);
  const restoring = { capabilities: capabilitiesOf('restore.conf'), writable: [...writable, source] };
  const owner = statSync(source);
  const { code, said } = await snap(place, ['restore', `latest:${join(secret, '..')}`, '--in-place'], restoring);
  assert.equal(code, 0, said);
  chownSync(source, owner.uid, owner.gid);
  const { uid, mode } = statSync(secret);
  assert.deepEqual([uid, mode & 0o777], [READER, 0o600]);
  assert.equal(existsSync(join(folder, 'library', '.snap-restore')), false);

  // And it sees that this process has the database open.
  database.exec('DELETE FROM book');
  const held = await snap(place, ['restore', `latest:${source}`, '--in-place'], restoring);
  assert.equal(held.code, 21, held.said);
  assert.match(held.said, new RegExp(`in use by process ${process.pid} `));
});
