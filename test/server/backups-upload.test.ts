/** Backups that come as files: judged in quarantine, shown, restored; and what is hostile or damaged is refused (trap 33). */

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { readArchive } from '../../engine/index.ts';
import { type Manifest, sealManifest } from '../../server/backups/manifest.ts';
import { type Given as Entry, type ZipChange, zip } from '../support/archives.ts';
import { Listener, uuid } from '../support/audiobookshelf.ts';
import type { Json } from '../support/cli.ts';
import { BOOKS, backUp, detect, type LibraryServer, makeLibraryServer } from '../support/library-server.ts';
import { type Answer, over, ServerFixture, type SignedIn } from '../support/server.ts';
import { mountSmallDisk } from '../support/small-disk.ts';

interface Given {
  readonly server: ServerFixture;
  readonly admin: SignedIn;
  readonly library: LibraryServer;
}

async function given(t: TestContext): Promise<Given> {
  const server = await ServerFixture.start(t);
  const library = makeLibraryServer(server.source);
  const admin = await server.setUp();
  await detect(admin);
  return { server, admin, library };
}

/** The file of a backup that is not in the list any more. */
async function downloaded(admin: SignedIn): Promise<Buffer> {
  const backup = await backUp(admin);
  const { bytes } = await admin.ask(`/backups/${backup.id}/download`);
  const { json } = await admin.ask(`/backups/${backup.id}`, { method: 'DELETE' });
  await admin.untilOver(json.job.id);
  return bytes;
}

function upload(admin: SignedIn, body: Buffer | Readable): Promise<Answer> {
  return admin.ask('/backups/upload', { method: 'POST', body, headers: { 'content-type': 'application/zip' } });
}

async function judged(admin: SignedIn, body: Buffer): Promise<{ readonly job: Json; readonly id: number }> {
  const { json, status, text } = await upload(admin, body);
  assert.equal(status, 202, text);
  return { job: (await admin.untilOver(json.job.id)).job, id: json.upload.id };
}

function inQuarantine({ options }: ServerFixture): string[] {
  return readdirSync(join(options.stateDirectory, 'quarantine')).filter((name) => name !== 'CACHEDIR.TAG');
}

async function untilCount(server: ServerFixture, count: number): Promise<void> {
  for (let waitedMs = 0; inQuarantine(server).length !== count; waitedMs += 20) {
    assert.ok(waitedMs < 30_000, `${inQuarantine(server).length} files lie in quarantine`);
    await sleep(20);
  }
}

function spoil({ database, metadata, books }: LibraryServer): { readonly cover: string; readonly book: string } {
  const opened = new Database(database);
  opened.prepare('DELETE FROM books WHERE id = ?').run(uuid(5, 1));
  opened.close();
  const cover = join(metadata, 'items', uuid(6, 1), 'cover.jpg');
  const book = join(books, 'Author 1', 'Book 1', 'part 2.m4b');
  rmSync(cover);
  rmSync(book);
  writeFileSync(join(books, 'later.m4b'), 'came later');
  return { cover, book };
}

function bookCount(path: string): unknown {
  const database = new Database(path, { readonly: true });
  const count = database.prepare('SELECT count(*) FROM books').pluck().get();
  database.close();
  return count;
}

test('an upload says what it is, changes nothing, and brings everything back once it is confirmed', async (t) => {
  const { server, admin, library } = await given(t);
  const bytes = await downloaded(admin);
  const cover = readFileSync(join(library.metadata, 'items', uuid(6, 1), 'cover.jpg'));
  const spoilt = spoil(library);
  const { job, id } = await judged(admin, bytes);
  assert.equal(job.status, 'COMPLETED', JSON.stringify(job));
  const { json: shown } = await admin.ask(`/uploads/${id}`);
  const { preview } = shown;
  assert.deepEqual(preview, job.result);
  assert.deepEqual([preview.books, preview.includes_books, preview.includes_covers], [BOOKS, true, true]);
  assert.equal(preview.created_by, 'admin');
  assert.ok(preview.bytes > 2_500_000 && preview.host !== '');
  assert.deepEqual([preview.changes.files_missing, preview.changes.files_different], [2, 0]);
  assert.deepEqual(preview.changes.examples.sort(), [spoilt.book, spoilt.cover].sort());
  assert.deepEqual(
    preview.databases.map(({ path }: Json) => path),
    [library.database],
  );
  assert.ok(!existsSync(spoilt.cover), 'nothing was changed');
  assert.equal((await admin.ask('/snapshots')).json.items.length, 0);
  const refused = await admin.ask(`/uploads/${id}/restore`, { method: 'POST', body: { confirm: false } });
  assert.equal(refused.status, 400);

  const restored = await over(admin, `/uploads/${id}/restore`, { confirm: true });
  assert.deepEqual([restored.status, restored.outcome], ['COMPLETED', 'done'], JSON.stringify(restored));
  assert.deepEqual(readFileSync(spoilt.cover), cover);
  assert.equal(readFileSync(spoilt.book).length, 2_500_000);
  assert.equal(bookCount(library.database), BOOKS);
  assert.equal(readFileSync(join(library.books, 'later.m4b'), 'utf8'), 'came later');
  assert.deepEqual(inQuarantine(server), []);
  assert.equal((await admin.ask(`/uploads/${id}`)).status, 404);
  await admin.ask('/backups/rescan', { method: 'POST', body: {} });
  const { items } = (await admin.ask('/backups')).json;
  assert.deepEqual(
    items.map(({ backup_id }: Json) => backup_id),
    [preview.backup_id],
  );
  const undone = await over(admin, '/restores/rollback', { confirm: true });
  assert.equal(undone.status, 'COMPLETED', JSON.stringify(undone));
  assert.ok(!existsSync(spoilt.cover));
  assert.equal(bookCount(library.database), BOOKS - 1);
});

test('an upload is not restored beneath a server that runs, and goes on once that was stopped', async (t) => {
  const { server, admin, library } = await given(t);
  const bytes = await downloaded(admin);
  spoil(library);
  const { id } = await judged(admin, bytes);
  const listener = await Listener.start(t, library.database);
  const refused = await over(admin, `/uploads/${id}/restore`, { confirm: true });
  assert.deepEqual([refused.status, refused.error.code, refused.can_go_on], ['FAILED', 'TARGET_IN_USE', true]);
  await listener.stop();
  const job = await over(admin, `/jobs/${refused.id}/resume`, {});
  assert.equal(job.status, 'COMPLETED', JSON.stringify(job));
  assert.equal(bookCount(library.database), BOOKS);
  assert.deepEqual(inQuarantine(server), []);
  const imported = (await admin.ask('/snapshots', { query: { label: 'library-backup' } })).json.items;
  assert.equal(imported.length, 1, 'it was imported once');
});

type Member = Entry & { readonly change?: ZipChange };
const STORED = { data: { method: 0 } } as const;

/** Entries of a file, so that they can be made into others. */
async function membersOf(folder: string, bytes: Buffer): Promise<Member[]> {
  const file = join(folder, 'members.zip');
  writeFileSync(file, bytes);
  const members: Member[] = [];
  for await (const { path, type = 'file', content } of readArchive({ file: Buffer.from(file) })) {
    const pieces: Buffer[] = [];
    if (type === 'file') for await (const piece of content()) pieces.push(Buffer.from(piece));
    const data = Buffer.concat(pieces);
    members.push({ path, type, data, size: data.length, mode: type === 'dir' ? 0o755 : 0o644, change: STORED });
  }
  return members;
}

test('what is hostile, damaged, or not what its manifest says is refused with a reason, and nothing is changed', async (t) => {
  const { server, admin, library } = await given(t);
  const bytes = await downloaded(admin);
  const members = await membersOf(server.folder, bytes);
  const [first, ...rest] = members;
  const manifest = JSON.parse(String(first?.data)) as Manifest & { sha256?: string };
  delete manifest.sha256;
  const entry = (path: string, data: string | Buffer, more: Partial<Member> = {}): Member => {
    const content = Buffer.from(data as string);
    return { path, data: content, size: content.length, change: STORED, ...more };
  };
  const head = (change: object): Member => entry('manifest.json', sealManifest({ ...manifest, ...change } as Manifest));
  const inBooks = (name: string): string => `books${library.books}/${name}`;
  const isBook = ({ path }: Member): boolean => String(path).endsWith('part 1.m4b');
  const withData = (change: (member: Member) => Member): Member[] => {
    const at = rest.findIndex(isBook);
    return rest.map((member, index) => (index === at ? change(member) : member));
  };
  const zeros = Buffer.alloc(1_000_000);
  const fiveGiB = 5 * 2 ** 30;
  const flipped = Buffer.from(bytes);
  const inside = bytes.indexOf('cover of 2');
  flipped[inside] = (flipped[inside] ?? 0) ^ 1;
  const cases: readonly (readonly [what: string, file: Buffer, reason: RegExp])[] = [
    ['an empty file', Buffer.alloc(0), /cut off|damaged/],
    ['something else', Buffer.from('no zip at all '.repeat(100)), /damaged/],
    ['a file that was cut off', bytes.subarray(0, bytes.length - 1000), /cut off|damaged/],
    ['one byte that flipped', flipped, /checksum/],
    ['a zip without a manifest', zip(rest), /does not begin with manifest\.json/],
    [
      'a manifest that was edited',
      zip([entry('manifest.json', String(first?.data).replace('"admin"', '"other"')), ...rest]),
      /digest/,
    ],
    ['a newer version', zip([head({ version: 2 }), ...rest]), /version 2.*newer program/],
    ['a manifest with a wrong digest', zip([head({ listing_sha256: '0'.repeat(64) }), ...rest]), /digest/],
    ['a manifest with a wrong size', zip([head({ bytes: manifest.bytes + 1 }), ...rest]), /bytes/],
    ['a file that is missing', zip([head({}), ...rest.filter((member) => !isBook(member))]), /part 1\.m4b" is missing/],
    [
      'a file that is shorter',
      zip([head({}), ...withData((member) => ({ ...member, data: 'x', size: 1 }))]),
      /has 1 bytes instead/,
    ],
    ['a file that nobody listed', zip([head({}), ...rest, entry('other/x', 'x')]), /none of the backup's folders/],
    ['a name that leads upwards', zip([head({}), entry(inBooks('../../x'), 'x'), ...rest]), /leads upwards/],
    ['an absolute name', zip([head({}), entry('/etc/passwd', 'x'), ...rest]), /absolute/],
    ['an entry that comes twice', zip([head({}), ...rest, ...rest.slice(-1)]), /out of order/],
    [
      'a symbolic link out of the library',
      zip([
        head({}),
        entry(inBooks('Author 0'), '', { type: 'symlink', linkTarget: Buffer.from('/etc'), mode: 0o777 }),
      ]),
      /leads out of the library/,
    ],
    [
      'a symbolic link upwards',
      zip([
        head({}),
        entry(inBooks('Author 0'), '', { type: 'symlink', linkTarget: Buffer.from('../../etc'), mode: 0o777 }),
      ]),
      /leads out of the library/,
    ],
    ['a bomb', zip([head({}), entry(inBooks('bomb'), zeros, { change: {} })]), /compressed, and unfolds/],
    [
      'an entry of 5 GB made of zeros',
      zip([head({}), entry(inBooks('zeros'), zeros, { size: fiveGiB, change: { data: { bytes: fiveGiB } } })]),
      /compressed, and unfolds/,
    ],
    [
      'an entry that claims 5 GB',
      zip([
        head({}),
        entry(inBooks('zeros'), 'x', {
          size: fiveGiB,
          change: { data: { method: 0, bytes: fiveGiB, compressedBytes: fiveGiB } },
        }),
      ]),
      /overlap|damaged/,
    ],
    [
      'folders of the system under another name',
      zip([head({ roots: [{ path: '/etc', name: 'books/srv' }] }), ...rest]),
      /is called "books\/srv"/,
    ],
  ];
  for (const [what, file, reason] of cases) {
    const { job, id } = await judged(admin, file);
    assert.equal(job.status, 'FAILED', `${what}: ${JSON.stringify(job.result)}`);
    assert.match(job.error.message, reason, what);
    assert.ok(['ARCHIVE_INVALID', 'LIMIT_EXCEEDED'].includes(job.error.code), `${what}: ${job.error.code}`);
    assert.equal((await admin.ask(`/uploads/${id}`)).status, 404, what);
    assert.deepEqual(inQuarantine(server), [], what);
  }
  assert.equal((await admin.ask('/snapshots')).json.items.length, 0);
  assert.equal(bookCount(library.database), BOOKS);
  const again = await judged(admin, zip([head({}), ...rest]));
  assert.equal(again.job.status, 'COMPLETED', 'the same entries, made anew, are sound');
});

test("a file with an existing backup's name is refused, and the backup stays as it was", async (t) => {
  const { admin } = await given(t);
  const backup = await backUp(admin);
  const { bytes } = await admin.ask(`/backups/${backup.id}/download`);
  const { job } = await judged(admin, bytes);
  assert.deepEqual([job.status, job.error.code], ['FAILED', 'OBJECT_EXISTS']);
  assert.match(job.error.message, new RegExp(backup.backup_id));
  assert.deepEqual((await admin.ask('/backups')).json.items, [backup]);
});

test('folders that are not of the library are not written to unless a mapping says so', async (t) => {
  const { server, admin, library } = await given(t);
  const bytes = await downloaded(admin);
  const elsewhere = join(server.folder, 'elsewhere');
  await server.restart({ sources: [], stateDirectory: join(server.folder, 'fresh') });
  const fresh = await server.setUp();
  const { id, job } = await judged(fresh, bytes);
  assert.deepEqual(
    job.result.places.map(({ is_known }: Json) => is_known),
    [false, false, false],
  );
  const refused = await fresh.ask(`/uploads/${id}/restore`, { method: 'POST', body: { confirm: true } });
  assert.deepEqual([refused.status, refused.json.code], [409, 'CONFLICT']);
  const mappings = [{ from: server.source, to: elsewhere }];
  const restored = await over(fresh, `/uploads/${id}/restore`, { confirm: true, mappings });
  assert.equal(restored.status, 'COMPLETED', JSON.stringify(restored));
  assert.equal(bookCount(join(elsewhere, 'config', 'absdatabase.sqlite')), BOOKS);
  assert.equal(readFileSync(join(elsewhere, 'books', 'Author 1', 'Book 1', 'part 2.m4b')).length, 2_500_000);
  assert.ok(existsSync(library.database));
});

test('a disk that is full, or a client that goes away, leaves nothing of an upload', async (t) => {
  const disk = mountSmallDisk(t, 70 * 2 ** 20);
  if (disk === undefined) return t.skip('no small disk can be mounted');
  const { server } = await given(t);
  await server.restart({ stateDirectory: join(disk.folder, 'state') });
  const options = { options: { stateDirectory: join(disk.folder, 'state') } } as ServerFixture;
  const admin = await server.setUp();
  const big = Buffer.alloc(16 * 2 ** 20);
  const declared = await upload(admin, big);
  assert.deepEqual([declared.status, declared.json.code], [507, 'TARGET_FAILED']);
  const pieces = Array.from({ length: 6 }, () => Buffer.alloc(2 ** 20));
  const little = await upload(admin, Readable.from(pieces));
  assert.equal(little.status, 202, 'a little fits');
  await admin.untilOver(little.json.job.id);
  const endless = Readable.from(Array.from({ length: 80 }, () => Buffer.alloc(2 ** 20)));
  const full = await upload(admin, endless);
  assert.deepEqual([full.status, full.json.code], [507, 'TARGET_FAILED'], full.text);
  assert.deepEqual(inQuarantine(options), []);
  const url = await server.server.listen();
  const gone = new AbortController();
  const headers = { cookie: admin.cookie, 'x-csrf-token': admin.csrfToken, 'content-type': 'application/zip' };
  const ask = async (): Promise<void> => {
    for (;;) {
      const body = new ReadableStream({ start: (controller) => controller.enqueue(Buffer.alloc(100_000)) });
      const request = { method: 'POST', body, headers, signal: gone.signal, duplex: 'half' } as RequestInit;
      const { status } = await fetch(`${url}/api/v1/backups/upload`, request);
      // A machine that is out of breath is asked again.
      assert.equal(status, 503);
      await sleep(100);
    }
  };
  const asked = ask();
  await Promise.race([untilCount(options, 1), asked]);
  gone.abort();
  await assert.rejects(asked, { name: 'AbortError' });
  await untilCount(options, 0);
});

test('an upload needs the scope to restore; what is left of one is gone after a start, and in no backup', async (t) => {
  const { server, admin } = await given(t);
  const bytes = await downloaded(admin);
  const headers = { ...(await server.token('backup')), 'content-type': 'application/zip' };
  const refused = await server.ask(server.api('/backups/upload'), { method: 'POST', body: bytes, headers });
  assert.deepEqual([refused.status, refused.json.code], [403, 'SCOPE_MISSING']);
  const { id } = await judged(admin, bytes);
  assert.equal(inQuarantine(server).length, 1);
  const night = await over(admin, '/schedule/run', {});
  const { json: found } = await admin.ask('/snapshot', { query: { snapshot: night.result.state_snapshot_id } });
  assert.ok(found.summary.total_bytes_processed < bytes.length, 'uploads are not of the state');
  assert.equal((await admin.ask(`/uploads/${id}`, { method: 'DELETE' })).status, 204);
  assert.deepEqual(inQuarantine(server), []);
  await judged(admin, bytes);
  await server.restart();
  assert.deepEqual(inQuarantine(server), []);
});
