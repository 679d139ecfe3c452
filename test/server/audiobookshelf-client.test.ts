/** Audiobookshelf's own backup client against ours: its addresses, its fields, its file; what changes things is no GET. */

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import Database from 'better-sqlite3';
import type { ArchiveMember } from '../../engine/index.ts';
import { readArchive } from '../../engine/index.ts';
import { Listener, uuid } from '../support/audiobookshelf.ts';
import { BOOKS, detect, type LibraryServer, makeLibraryServer } from '../support/library-server.ts';
import { ServerFixture } from '../support/server.ts';

/** Fields as the server's own list has them. */
const FIELDS = [
  'id',
  'key',
  'backupDirPath',
  'datePretty',
  'fullPath',
  'path',
  'filename',
  'fileSize',
  'createdAt',
  'serverVersion',
];

interface Client {
  readonly server: ServerFixture;
  readonly library: LibraryServer;
  ask(method: 'GET' | 'POST' | 'DELETE', path: string, body?: Buffer, type?: string): ReturnType<ServerFixture['ask']>;
}

/** Another program: it has a token and nothing else. */
async function client(t: TestContext, scopes: readonly string[] = ['admin']): Promise<Client> {
  const server = await ServerFixture.start(t);
  const library = makeLibraryServer(server.source);
  const admin = await server.setUp();
  await detect(admin);
  const headers = await server.token(...scopes);
  const ask: Client['ask'] = (method, path, body, type = 'application/json') =>
    server.ask(`/api/backups${path}`, {
      method,
      headers: body === undefined ? headers : { ...headers, 'content-type': type },
      ...(body === undefined ? {} : { body }),
    });
  return { server, library, ask };
}

function form(name: string, content: Buffer): { readonly body: Buffer; readonly type: string } {
  const boundary = 'a-boundary-of-theirs';
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\nContent-Type: application/octet-stream\r\n\r\n`;
  const body = Buffer.concat([Buffer.from(head), content, Buffer.from(`\r\n--${boundary}--\r\n`)]);
  return { body, type: `multipart/form-data; boundary=${boundary}` };
}

async function members(file: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { path, content } of readArchive({ file: Buffer.from(file) }) as AsyncIterable<ArchiveMember>) {
    names.push(path.toString());
    for await (const _ of content());
  }
  return names;
}

function bookCount({ database }: LibraryServer): unknown {
  const opened = new Database(database, { readonly: true });
  const count = opened.prepare('SELECT count(*) FROM books').pluck().get();
  opened.close();
  return count;
}

function spoil({ database, metadata }: LibraryServer): string {
  const opened = new Database(database);
  opened.prepare('DELETE FROM books WHERE id = ?').run(uuid(5, 1));
  opened.close();
  const cover = join(metadata, 'items', uuid(6, 1), 'cover.jpg');
  rmSync(cover);
  return cover;
}

test('a backup is made, listed with their fields, applied by POST, and deleted: each answer comes when it is done', async (t) => {
  const { ask, library } = await client(t);
  const empty = await ask('GET', '');
  assert.deepEqual(Object.keys(empty.json), ['backups', 'backupLocation', 'backupPathEnvSet']);
  assert.deepEqual(empty.json.backups, []);
  const made = await ask('POST', '');
  assert.equal(made.status, 200, made.text);
  assert.equal(made.json.backups.length, 1);
  const [backup] = made.json.backups;
  assert.deepEqual(Object.keys(backup), FIELDS);
  assert.equal(backup.datePretty, 'Sun, Mar 1 2026 12:00');
  assert.equal(backup.createdAt, Date.parse('2026-03-01T12:00:00Z'));
  assert.ok(backup.fileSize > 0);

  const cover = spoil(library);
  assert.equal(bookCount(library), BOOKS - 1);
  const got = await ask('GET', `/${backup.id}/apply`);
  assert.equal(got.status, 405);
  assert.equal(got.headers.allow, 'POST');
  assert.equal(bookCount(library), BOOKS - 1, 'a GET changes nothing');
  const applied = await ask('POST', `/${backup.id}/apply`);
  assert.equal(applied.status, 200, applied.text);
  assert.equal(bookCount(library), BOOKS);
  assert.ok(existsSync(cover));

  const gone = await ask('DELETE', `/${backup.id}`);
  assert.deepEqual([gone.status, gone.json], [200, { backups: [] }]);
});

test('a download is the file that the server applies; an upload of it is one more backup, which brings all back', async (t) => {
  const { ask, server, library } = await client(t);
  const [backup] = (await ask('POST', '')).json.backups;
  const { bytes, headers } = await ask('GET', `/${backup.id}/download`);
  assert.match(String(headers['content-disposition']), /filename="[\w-]+\.audiobookshelf"/);
  const file = join(server.folder, 'theirs.audiobookshelf');
  writeFileSync(file, bytes);
  const names = await members(file);
  assert.ok(names.includes('details') && names.includes('absdatabase.sqlite'), names.join());
  assert.ok(names.includes(`metadata-items/${uuid(6, 1)}/cover.jpg`), names.join());

  await ask('DELETE', `/${backup.id}`);
  const before = readFileSync(join(library.metadata, 'items', uuid(6, 1), 'cover.jpg'));
  const cover = spoil(library);
  const { body, type } = form('2026-03-01T1200.audiobookshelf', bytes);
  const uploaded = await ask('POST', '/upload', body, type);
  assert.equal(uploaded.status, 200, uploaded.text);
  assert.equal(uploaded.json.backups.length, 1);
  assert.ok(!existsSync(cover), 'an upload alone changes nothing');
  const applied = await ask('POST', `/${uploaded.json.backups[0].id}/apply`);
  assert.equal(applied.status, 200, applied.text);
  assert.equal(bookCount(library), BOOKS);
  assert.deepEqual(readFileSync(cover), before);
  assert.deepEqual(quarantined(server), []);
});

test('an upload that is damaged, or is something else, is refused with its reason, and nothing of it is left', async (t) => {
  const { ask, server } = await client(t);
  const [backup] = (await ask('POST', '')).json.backups;
  const { bytes } = await ask('GET', `/${backup.id}/download`);
  for (const [content, why] of [
    [bytes.subarray(0, bytes.length - 1000), /zip|end|cut/i],
    [Buffer.from('no archive at all'), /zip|archive/i],
  ] as const) {
    const { body, type } = form('broken.audiobookshelf', content);
    const refused = await ask('POST', '/upload', body, type);
    assert.equal(refused.status, 409, refused.text);
    assert.match(refused.json.detail, why);
    assert.equal((await ask('GET', '')).json.backups.length, 1);
    assert.deepEqual(quarantined(server), []);
  }
  const nothing = await ask('POST', '/upload', Buffer.from('{}'));
  assert.ok([400, 415].includes(nothing.status), nothing.text);
});

test('a server that runs is never swapped under: apply says who holds the database', async (t) => {
  const { ask, library } = await client(t);
  const [backup] = (await ask('POST', '')).json.backups;
  const listener = await Listener.start(t, library.database);
  const refused = await ask('POST', `/${backup.id}/apply`);
  assert.equal(refused.status, 409, refused.text);
  assert.match(refused.json.detail, /absdatabase\.sqlite/);
  await listener.stop();
});

test('each of its addresses wants the scope that ours want', async (t) => {
  const { ask, server } = await client(t, ['read']);
  assert.equal((await ask('GET', '')).status, 200);
  for (const [method, path] of [
    ['POST', ''],
    ['POST', '/1/apply'],
    ['DELETE', '/1'],
  ] as const) {
    const { status, json } = await ask(method, path);
    assert.deepEqual([status, json.code], [403, 'SCOPE_MISSING'], `${method} ${path}`);
  }
  const { body, type } = form('a.audiobookshelf', Buffer.from('x'));
  assert.equal((await ask('POST', '/upload', body, type)).status, 403);
  assert.equal((await server.ask('/api/backups')).status, 401);
});

function quarantined({ options }: ServerFixture): string[] {
  return readdirSync(join(options.stateDirectory, 'quarantine')).filter((name) => name !== 'CACHEDIR.TAG');
}
