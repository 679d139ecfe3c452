/** Backup files of Audiobookshelf as strangers may have made them (trap 33): nothing that is not sound becomes a snapshot. */

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { crc32, createDeflateRaw, deflateRawSync } from 'node:zlib';
import Database from 'better-sqlite3';
import { isEngineError } from '../../engine/base/errors.ts';
import { GIB, MIB } from '../../engine/base/limits.ts';
import type { ArchiveEntry } from '../../engine/format/archive-entry.ts';
import { encodeZipCentral, encodeZipEnd, encodeZipLocal, type ZipData } from '../../engine/format/archive-zip.ts';
import {
  decodeServerDetails,
  encodeServerDetails,
  judgeServerVersion,
  serverDetails,
  timeOfServerDetails,
} from '../../engine/format/audiobookshelf.ts';
import { check } from '../../engine/operations/check/check.ts';
import { importArchive } from '../../engine/operations/import/import.ts';
import type { ImportOptions, ImportResult } from '../../engine/operations/import/options.ts';
import { listEntries } from '../../engine/operations/list.ts';
import { makeServerDatabase, type ServerOptions } from '../support/audiobookshelf.ts';
import { Library } from '../support/library.ts';
import { randomFor } from '../support/random.ts';

const DETAILS = '2026-03-01T0200\nsqlite\n1772326830123\n2.36.0';

interface Part {
  readonly path: string;
  readonly data?: Buffer | string;
  readonly type?: ArchiveEntry['type'];
  /** What the directory says instead. */
  readonly claims?: Partial<ZipData>;
  /** Already deflated, with its facts in `claims`. */
  readonly coded?: Buffer;
}

function zip(parts: readonly Part[]): Buffer {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let offset = 0;
  for (const { path, type = 'file', claims, ...part } of parts) {
    const plain = Buffer.from((part.data ?? '') as string);
    const coded = part.coded ?? deflateRawSync(plain);
    const data: ZipData = {
      method: 8,
      crc32: crc32(plain),
      compressedBytes: coded.length,
      bytes: plain.length,
      ...claims,
    };
    const one: ArchiveEntry = {
      path: Buffer.from(path),
      type,
      mode: 0o644,
      uid: 1,
      gid: 1,
      user: undefined,
      group: undefined,
      size: data.bytes,
      mtime: { seconds: 1_772_000_000, nanoseconds: 0 },
      linkTarget: undefined,
      device: undefined,
      attributes: [],
      regions: undefined,
    };
    const local = Buffer.concat([encodeZipLocal(one, data.method, data), coded]);
    centrals.push(encodeZipCentral(one, data, { offset, hasDescriptor: false }));
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(centrals);
  const end = encodeZipEnd({ entries: parts.length, offset, bytes: directory.length });
  return Buffer.concat([...locals, directory, end]);
}

class Backups {
  readonly library: Library;
  readonly #notes: string[] = [];

  private constructor(library: Library) {
    this.library = library;
  }

  static async make(t: TestContext): Promise<Backups> {
    return new Backups(await Library.make(t));
  }

  database(options: ServerOptions = {}, change: (database: Database.Database) => void = () => undefined): Buffer {
    const path = join(this.library.folder, `server ${readdirSync(this.library.folder).length}`);
    makeServerDatabase(path, { books: 5, ...options });
    const database = new Database(path);
    change(database);
    database.close();
    return readFileSync(path);
  }

  parts(database = this.database(), details: string = DETAILS): Part[] {
    return [
      { path: 'absdatabase.sqlite', data: database },
      { path: 'metadata-items/a/cover.jpg', data: 'a cover' },
      { path: 'metadata-authors/b.jpg', data: 'an author' },
      { path: 'details', data: details },
    ];
  }

  async take(bytes: Buffer, more: Partial<ImportOptions> = {}): Promise<ImportResult & { notes: readonly string[] }> {
    const path = join(this.library.folder, 'backup.zip');
    writeFileSync(path, bytes);
    this.#notes.length = 0;
    const monitor = { note: (text: string) => this.#notes.push(text) };
    const source = { file: Buffer.from(path) };
    return { ...(await importArchive(await this.library.reopen(), { source, monitor, ...more })), notes: this.#notes };
  }

  /** Nothing of it is listed, nor lies about unpacked. */
  async refuses(bytes: Buffer, why: RegExp, what = String(why)): Promise<void> {
    await assert.rejects(
      this.take(bytes),
      (error) => {
        assert.ok(isEngineError(error), `${what}: ${error}`);
        assert.ok(['ARCHIVE_INVALID', 'LIMIT_EXCEEDED'].includes(error.code), `${what}: ${error.code}`);
        assert.match(error.message, why, what);
        return true;
      },
      what,
    );
    const repository = await this.library.reopen();
    assert.equal((await repository.snapshots.list()).length, 0, what);
    const scratch = join(repository.cacheDirectory, 'scratch');
    assert.deepEqual(existsSync(scratch) ? readdirSync(scratch) : [], [], what);
  }

  async listing(): Promise<string[]> {
    const lines: string[] = [];
    for await (const { path, node } of listEntries(await this.library.reopen(), {
      snapshot: 'latest',
      recursive: true,
    }))
      lines.push(`${node.type} ${path}`);
    return lines;
  }
}

test('details: four lines, and the time in the zone of the server', () => {
  const details = decodeServerDetails(Buffer.from(DETAILS));
  assert.deepEqual(details, { id: '2026-03-01T0200', createdAtMs: 1_772_326_830_123, serverVersion: '2.36.0' });
  assert.ok(encodeServerDetails(details).equals(Buffer.from(DETAILS)));
  assert.equal(Buffer.from(DETAILS).length, 43);
  // 01:00:30 in Greenwich.
  assert.equal(timeOfServerDetails(details), '2026-03-01T02:00:30.123+01:00');
  for (const time of [
    '2026-03-01T02:00:30.123+01:00',
    '2026-07-01T23:59:59.999-09:30',
    '2026-01-01T00:00:00.000+14:00',
  ]) {
    const made = serverDetails(time, '2.36.0');
    assert.equal(timeOfServerDetails(decodeServerDetails(encodeServerDetails(made))), time);
  }
  // The server looked at its clock before and after the minute ended.
  assert.equal(timeOfServerDetails({ ...details, id: '2026-03-01T0159' }), '2026-03-01T02:00:30.123+01:00');
  assert.equal(timeOfServerDetails({ ...details, id: '2026-03-01T0207' }), undefined);
  assert.equal(timeOfServerDetails({ ...details, id: '2026-03-09T0200' }), undefined);
  assert.deepEqual(['2.36.0', '2.99.1', '3.0.0', '1.9.0'].map(judgeServerVersion), [
    'known',
    'newer',
    'other',
    'other',
  ]);
});

test('details that the server would misread are refused, each with its reason', async (t) => {
  const backups = await Backups.make(t);
  const database = backups.database();
  const cases: readonly (readonly [string, RegExp])[] = [
    [DETAILS.replaceAll('\n', '\r\n'), /CRLF/],
    [DETAILS.replace(/\n[^\n]*$/, ''), /has 3 lines instead of four/],
    [`${DETAILS}\nmore`, /has 5 lines instead of four/],
    ['', /has 1 lines instead of four/],
    [DETAILS.replace('sqlite', '1'), /before 2\.3\.0/],
    [DETAILS.replace('sqlite', 'postgres'), /second line.*"postgres" instead of "sqlite"/],
    [DETAILS.replace('2026-03-01', '2026-02-30'), /first line.*no date/],
    [DETAILS.replace('2026-03-01T0200', '../../etc'), /first line/],
    [DETAILS.replace('1772326830123', '1772326830'), /third line/],
    [DETAILS.replace('1772326830123', '9999999999999'), /still to come/],
    [DETAILS.replace('2.36.0', 'latest'), /fourth line/],
    [DETAILS.replace('2.36.0', '3.0.0'), /made by Audiobookshelf 3\.0\.0, whose backups are not known here/],
    ['x'.repeat(5000), /has 5000 bytes/],
  ];
  for (const [details, why] of cases) await backups.refuses(zip(backups.parts(database, details)), why);
});

test('a backup becomes a snapshot of its own time, as the server has it; what the server ignores is not taken', async (t) => {
  const backups = await Backups.make(t);
  const parts = [...backups.parts()].reverse();
  const more: readonly Part[] = [
    { path: 'metadata-items', type: 'dir' },
    { path: 'notes.txt', data: 'not the server’s' },
  ];
  const result = await backups.take(zip([...more, ...parts]));
  assert.equal(result.format, 'audiobookshelf');
  assert.equal(result.snapshot.time, '2026-03-01T02:00:30.123+01:00');
  assert.match(result.notes.join('\n'), /1 entries of the backup are none of the server's/);
  assert.deepEqual(await backups.listing(), [
    'dir /config',
    'file /config/absdatabase.sqlite',
    'dir /metadata',
    'dir /metadata/authors',
    'file /metadata/authors/b.jpg',
    'dir /metadata/items',
    'dir /metadata/items/a',
    'file /metadata/items/a/cover.jpg',
  ]);
  const [record] = result.snapshot.databases;
  assert.deepEqual(
    [record?.path.toString(), record?.kind, record?.check],
    ['/config/absdatabase.sqlite', 'sqlite', 'ok'],
  );
  assert.deepEqual([record?.details['pageSize'], record?.details['serverVersion']], [4096, '2.36.0']);
  assert.deepEqual((await check(await backups.library.reopen(), { readData: true })).errors, []);
  const later = new Date('2026-05-01T00:00:00Z');
  const named = await backups.take(zip(parts), { time: later, prefix: Buffer.from('/srv/abs') });
  assert.equal(Date.parse(named.snapshot.time), later.getTime());
  assert.deepEqual(
    named.snapshot.databases.map(({ path }) => path.toString()),
    ['/srv/abs/config/absdatabase.sqlite'],
  );
});

test('a newer server is a note; a database of an unknown structure is refused', async (t) => {
  const backups = await Backups.make(t);
  const newer = DETAILS.replace('2.36.0', '2.99.0');
  await backups.refuses(
    zip(
      backups.parts(
        backups.database({}, (database) => database.exec('DROP TABLE libraryItems')),
        newer,
      ),
    ),
    /not Audiobookshelf's: it has no table "libraryItems"/,
  );
  const renamed = backups.database({}, (database) => database.exec('ALTER TABLE settings RENAME COLUMN value TO json'));
  await backups.refuses(zip(backups.parts(renamed)), /structure is not known here.*"settings" has no column "value"/);
  const { notes } = await backups.take(zip(backups.parts(backups.database({ version: '2.99.0' }), newer)));
  assert.match(notes.join('\n'), /made by Audiobookshelf 2\.99\.0/);
});

test('a database that is empty, none, encrypted, cut off, damaged, or of another program is refused', async (t) => {
  const backups = await Backups.make(t);
  const random = randomFor(t);
  const sound = backups.database({ books: 200 });
  const damaged = Buffer.from(sound);
  damaged.fill(0x55, 4096 * 4, 4096 * 12);
  const encrypted = Buffer.concat([sound.subarray(0, 100), random.bytes(sound.length - 100)]);
  const other = new Database(':memory:');
  other.exec('CREATE TABLE t (a)');
  const cases: readonly (readonly [Buffer, RegExp])[] = [
    [Buffer.alloc(0), /is empty/],
    [Buffer.from('not a database, just text'), /is no SQLite database/],
    [random.bytes(20_000), /is no SQLite database/],
    [sound.subarray(0, 400), /is no SQLite database/],
    [encrypted, /is refused/],
    [sound.subarray(0, sound.length - 4096 * 5), /it is damaged/],
    [damaged, /it is damaged/],
    [other.serialize(), /it is not Audiobookshelf's/],
  ];
  for (const [database, why] of cases) await backups.refuses(zip(backups.parts(database)), why);
  other.close();
});

test('trap 33: parts that lead out, are links, come twice, or are missing refuse the whole backup', async (t) => {
  const backups = await Backups.make(t);
  const parts = backups.parts();
  const [database, , , details] = parts;
  assert.ok(database !== undefined && details !== undefined);
  const extra = (part: Part): Buffer => zip([...parts, part]);
  const cases: readonly (readonly [Buffer, RegExp])[] = [
    [extra({ path: 'metadata-items/../../up', data: 'x' }), /leads upwards/],
    [extra({ path: '../absdatabase.sqlite', data: 'x' }), /leads upwards/],
    [extra({ path: '/etc/passwd', data: 'x' }), /is absolute/],
    [extra({ path: 'metadata-items//x', data: 'x' }), /empty parts or dots/],
    [extra({ path: './details', data: 'x' }), /empty parts or dots/],
    [extra({ path: 'metadata-items/..\\..\\up', data: 'x' }), /backslashes/],
    [extra({ path: 'metadata-items/a\0b', data: 'x' }), /zero byte/],
    [extra({ path: 'metadata-items/link', type: 'symlink', data: '/etc' }), /it is a symlink/],
    [extra({ path: 'link', type: 'symlink', data: '/etc' }), /it is a symlink/],
    [extra({ path: 'metadata-items/a/cover.jpg', data: 'another' }), /twice/],
    [extra(database), /"absdatabase.sqlite" is refused: it is there twice/],
    [extra(details), /"details" is refused: it is there twice/],
    [extra({ path: 'metadata-items/a/cover.jpg/below', data: 'x' }), /which is no folder/],
    [extra({ path: 'metadata-authors', data: 'x' }), /a file where the backup has a folder/],
    [zip(parts.filter((part) => part !== details)), /it has no "details"/],
    [zip(parts.filter((part) => part !== database)), /it has no "absdatabase.sqlite"/],
    [zip([{ path: 'absdatabase.sqlite', type: 'dir' }, ...parts.slice(1)]), /a folder where the backup has a file/],
  ];
  for (const [bytes, why] of cases) await backups.refuses(bytes, why);
});

test('trap 33: a backup that is cut off, or whose bytes were changed, is refused wherever that is', async (t) => {
  const backups = await Backups.make(t);
  const random = randomFor(t);
  const whole = zip([...backups.parts(), { path: 'ignored', data: 'not taken, but read' }]);
  for (const cut of [1, 21, 22, 100, ...Array.from({ length: 12 }, () => 1 + random.below(whole.length - 100))])
    await backups.refuses(whole.subarray(0, whole.length - cut), /./, `cut off by ${cut}`);
  const directoryAt = whole.indexOf(Buffer.from('PK\x01\x02', 'latin1'));
  for (const name of ['absdatabase.sqlite', 'metadata-items/a/cover.jpg', 'details', 'ignored']) {
    // The last byte of the name in front of the data, and the extra field, are followed by it.
    const changed = Buffer.from(whole);
    const at = whole.indexOf(name) + name.length + whole.readUInt16LE(whole.indexOf(name) - 2) + 3;
    assert.ok(at < directoryAt);
    changed[at] = (changed[at] ?? 0) ^ 0x10;
    await backups.refuses(changed, /./, `a changed byte in ${name}`);
  }
  await backups.refuses(
    zip(backups.parts().map((part) => (part.path === 'details' ? { ...part, claims: { crc32: 1 } } : part))),
    /checksum of details/,
  );
});

/** As many zeros, deflated, without ever having them. */
async function deflatedZeros(bytes: number): Promise<{ coded: Buffer; crc32: number }> {
  const deflate = createDeflateRaw({ level: 9 });
  const block = Buffer.alloc(8 * MIB);
  const pieces: Buffer[] = [];
  const read = (async () => {
    for await (const piece of deflate) pieces.push(piece as Buffer);
  })();
  let sum = 0;
  for (let done = 0; done < bytes; done += block.length) {
    sum = crc32(block, sum);
    if (!deflate.write(block)) await new Promise((resolve) => deflate.once('drain', resolve));
  }
  deflate.end();
  await read;
  return { coded: Buffer.concat(pieces), crc32: sum };
}

test('trap 33: 5 GB of zeros in one entry, whichever it is, are not unfolded', async (t) => {
  const backups = await Backups.make(t);
  const parts = backups.parts();
  // What one file may unfold to for nothing is passed by the second half.
  const { coded, crc32: sum } = await deflatedZeros(2 * GIB);
  const bomb = (path: string): Part => ({
    path,
    coded,
    claims: { bytes: 5 * GIB, compressedBytes: coded.length, crc32: sum },
  });
  for (const path of ['metadata-items/a/zeros', 'zeros'])
    await backups.refuses(zip([...parts, bomb(path)]), /may be a bomb/, path);
  await backups.refuses(zip([bomb('absdatabase.sqlite'), ...parts.slice(1)]), /is no SQLite database/);
  await backups.refuses(zip([...parts.slice(0, 3), bomb('details')]), /"details" has \d+ bytes/);
});

test('a zip that only has such names is imported as what it is', async (t) => {
  const backups = await Backups.make(t);
  const folder = zip([
    { path: 'absdatabase.sqlite', data: backups.database() },
    { path: 'migrations/changelog.md', data: 'x' },
  ]);
  assert.equal((await backups.take(folder)).format, 'zip');
  assert.equal(
    (
      await backups.take(
        zip([
          { path: 'details', data: 'of a holiday' },
          { path: 'a.jpg', data: 'x' },
        ]),
      )
    ).format,
    'zip',
  );
  assert.equal((await backups.take(zip(backups.parts()), { format: 'zip' })).format, 'zip');
  await assert.rejects(backups.take(folder, { format: 'audiobookshelf' }), /it has no "details"/);
  await assert.rejects(backups.take(folder, { format: 'tar' }), /This is no tar/);
});
