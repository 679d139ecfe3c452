/** `.audiobookshelf`, out and in, through the real program. What comes in from strangers is in operations/server-backup.test.ts. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { Listener, makeServer, uuid } from '../support/audiobookshelf.ts';
import { CliFixture, type Json } from '../support/cli.ts';
import { treeState } from '../support/tree-state.ts';

const DETAILS = /^(\d{4}-\d{2}-\d{2}T\d{4})\nsqlite\n(\d{13})\n2\.36\.0$/;

interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly isDirectory: boolean;
  readonly content: Buffer;
}

const READ_ZIP = `
import base64, json, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as z:
    assert z.testzip() is None
    print(json.dumps([[i.filename, i.compress_type, i.is_dir(), base64.b64encode(z.read(i)).decode()] for i in z.infolist()]))
`;

/** By Python's zipfile: not by anything of ours. Undefined where there is no Python. */
function readZip(file: string): ZipEntry[] | undefined {
  const run = spawnSync('python3', ['-c', READ_ZIP, file], { encoding: 'utf8', maxBuffer: 1 << 28 });
  if (run.error !== undefined) return undefined;
  assert.equal(run.status, 0, run.stderr);
  return (JSON.parse(run.stdout) as [string, number, boolean, string][]).map(
    ([name, method, isDirectory, content]) => ({
      name,
      method,
      isDirectory,
      content: Buffer.from(content, 'base64'),
    }),
  );
}

function progressOf(path: string): number[] {
  const database = new Database(path, { readonly: true });
  try {
    assert.equal(database.pragma('integrity_check', { simple: true }), 'ok');
    return database.prepare('SELECT DISTINCT currentTime FROM mediaProgresses').pluck().all().map(Number);
  } finally {
    database.close();
  }
}

async function snapshotOf(cli: CliFixture, id: string): Promise<Json> {
  const all = JSON.parse((await cli.ok(['snapshots', '--json'])).stdout) as Json[];
  return all.find((one) => one.id === id);
}

test('a server at work, out as its own backup file and in again: the same database, covers and time', async (t) => {
  const cli = new CliFixture(t);
  await cli.init();
  const { metadata, database } = makeServer(cli.source);
  const listener = await Listener.start(t, database);
  const saved = await cli.json(['backup', cli.source]);
  const { commits, failures } = await listener.stop();
  assert.deepEqual(failures, []);
  assert.ok(commits > 0);

  const file = join(cli.folder, 'out.audiobookshelf');
  const summary = await cli.json(['export', 'latest', '-o', file]);
  assert.deepEqual(summary.problems, []);
  const image = join(cli.folder, 'image');
  writeFileSync(image, await catFile(cli, `latest:${database}`));
  assert.equal(progressOf(image).length, 1, 'all rows of one moment');

  const entries = readZip(file);
  const snapshot = await snapshotOf(cli, saved.snapshot_id);
  if (entries === undefined) t.diagnostic('no Python: the zip was read by our own reader only');
  else {
    const names = entries.map(({ name }) => name);
    assert.equal(names[0], 'absdatabase.sqlite');
    assert.equal(names.at(-1), 'details');
    assert.ok(names.includes(`metadata-items/${uuid(6, 1)}/cover.jpg`));
    assert.ok(names.includes('metadata-items/empty/'));
    assert.deepEqual(
      names.filter((name) => name.startsWith('metadata-authors/')),
      [`metadata-authors/${uuid(4, 1)}.jpg`],
    );
    assert.deepEqual(
      names.filter((name) => !/^(?:absdatabase\.sqlite|details|metadata-(?:items|authors)\/.+)$/.test(name)),
      [],
    );
    for (const { name, method, isDirectory, content } of entries)
      assert.equal(method, isDirectory || content.length === 0 ? 0 : 8, name);
    const details = entries.at(-1)?.content ?? Buffer.alloc(0);
    assert.equal(details.length, 43);
    const [, id, createdAt] = DETAILS.exec(details.toString()) ?? [];
    assert.equal(Number(createdAt), Date.parse(snapshot.time));
    assert.equal(id, snapshot.time.slice(0, 16).replace(/:(\d\d)$/, '$1'));
    assert.ok(entries[0]?.content.equals(readFileSync(image)));
  }

  const second = join(cli.folder, 'again.audiobookshelf');
  await cli.ok(['export', `latest:${cli.source}`, '-o', second]);
  assert.ok(readFileSync(second).equals(readFileSync(file)), 'the same snapshot gives the same bytes');

  const imported = await cli.json(['import', file, '--tag', 'moved']);
  assert.equal(imported.format, 'audiobookshelf');
  assert.equal(imported.databases[0].path, '/config/absdatabase.sqlite');
  assert.equal(imported.databases[0].check, 'ok');
  // Cut at the same places: only trees are new.
  assert.ok(imported.data_added < 50_000, `${imported.data_added}`);
  const record = await snapshotOf(cli, imported.snapshot_id);
  assert.equal(Date.parse(record.time), Date.parse(snapshot.time));
  assert.deepEqual(record.paths, ['/config', '/metadata']);

  const target = join(cli.folder, 'restored');
  await cli.ok(['restore', imported.snapshot_id, '--target', target, '--verify']);
  assert.ok(readFileSync(join(target, 'config/absdatabase.sqlite')).equals(readFileSync(image)));
  for (const folder of ['items', 'authors']) {
    const [is, was] = [join(target, 'metadata', folder), join(metadata, folder)];
    assert.deepEqual(contents(is), contents(was), folder);
  }

  const third = join(cli.folder, 'third.audiobookshelf');
  await cli.ok(['export', imported.snapshot_id, '-o', third]);
  assert.deepEqual(readZip(third), entries, 'what came in goes out as it was');
  assert.deepEqual((await cli.json(['check', '--read-data'])).errors, []);
});

/** Names, modes, owners, times as far as a zip has them, and content. */
function contents(folder: string): string[] {
  return [...treeState(folder)].map(([path, facts]) => {
    const [mode, uid, gid, mtimeNs = '', ...rest] = facts.split(' ');
    return [path, mode, uid, gid, BigInt(mtimeNs) / 100n, ...rest].join(' ');
  });
}

async function catFile(cli: CliFixture, what: string): Promise<Buffer> {
  const child = cli.spawn(['cat', what]);
  const pieces: Buffer[] = [];
  child.stdin?.end();
  for await (const piece of child.stdout ?? []) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

test('a metadata folder that is a source of its own is found by its name, or named; without it the account says so', async (t) => {
  const cli = new CliFixture(t);
  await cli.init();
  const { config, metadata } = makeServer(join(cli.folder, 'server'), { books: 3 });
  const [db, abs, odd] = [join(cli.folder, 'db'), join(cli.folder, 'abs-metadata'), join(cli.folder, 'odd')];
  cpSync(config, db, { recursive: true });
  cpSync(metadata, abs, { recursive: true });
  cpSync(metadata, odd, { recursive: true });
  rmSync(join(odd, 'authors'), { recursive: true });
  const file = join(cli.folder, 'out.audiobookshelf');
  const names = (): string[] => (readZip(file) ?? []).map(({ name }) => name.replace(/\/.*/, ''));

  await cli.ok(['backup', db, abs]);
  await cli.ok(['export', 'latest', '-o', file]);
  if (readZip(file) !== undefined)
    assert.deepEqual([...new Set(names())], ['absdatabase.sqlite', 'metadata-items', 'metadata-authors', 'details']);

  await cli.ok(['backup', db, odd]);
  const missing = await cli.run(['export', 'latest', '-o', file, '--force', '--json']);
  assert.equal(missing.code, 3, missing.stderr);
  assert.match(missing.stdout, /NOT_IN_BACKUP/);
  assert.match(missing.stdout, /--metadata/);

  const half = await cli.run(['export', 'latest', '-o', file, '--force', '--metadata', odd]);
  assert.equal(half.code, 3, 'the database names an image of an author');
  assert.match(half.stderr, /odd\/authors/);
  if (readZip(file) !== undefined) assert.ok(names().includes('metadata-items'));

  // In the folder of the database, as some have it, it goes before all others.
  cpSync(odd, join(db, 'metadata'), { recursive: true });
  await cli.ok(['backup', db, abs]);
  assert.equal((await cli.run(['export', 'latest', '-o', file, '--force'])).code, 3);
  rmSync(join(db, 'metadata'), { recursive: true });

  await cli.ok(['backup', db, abs, metadata]);
  const several = await cli.run(['export', 'latest', '-o', file, '--force']);
  assert.equal(several.code, 2);
  assert.match(several.stderr, /--metadata/);
  await cli.ok(['export', 'latest', '-o', file, '--force', '--metadata', abs]);
});

test('what the snapshot lacks of the metadata is named: left out, unreadable, and what a backup has no place for', async (t) => {
  const cli = new CliFixture(t);
  await cli.init();
  const { metadata } = makeServer(cli.source, { books: 3 });
  symlinkSync('/etc', join(metadata, 'items', 'link'));
  await cli.ok(['backup', cli.source, '--exclude', `${uuid(6, 2)}`]);
  const run = await cli.run(['export', 'latest', '-o', join(cli.folder, 'out.audiobookshelf'), '--json']);
  assert.equal(run.code, 3, run.stderr);
  assert.match(run.stdout, new RegExp(`${uuid(6, 2)}: the snapshot left it out`));
  assert.match(run.stdout, /items\/link: a backup of the server has no place for a symlink/);
});

test('none, several, or a database that is not sound: refused, and nothing is written', async (t) => {
  const cli = new CliFixture(t);
  await cli.init();
  const file = join(cli.folder, 'out.audiobookshelf');
  const refused = async (what: string, code: number, pattern: RegExp): Promise<void> => {
    const run = await cli.run(['export', what, '-o', file]);
    assert.equal(run.code, code, run.stderr);
    assert.match(run.stderr, pattern);
    assert.throws(() => readFileSync(file));
  };
  mkdirSync(cli.source);
  writeFileSync(join(cli.source, 'book.m4b'), 'audio');
  await cli.ok(['backup', cli.source]);
  await refused('latest', 1, /holds no database of Audiobookshelf/);

  const [one, two] = [join(cli.source, 'one'), join(cli.source, 'two')];
  makeServer(one, { books: 2 });
  makeServer(two, { books: 2, version: undefined, journalMode: 'wal' });
  await cli.ok(['backup', cli.source]);
  await refused('latest', 2, /several databases of Audiobookshelf.*name one as SNAP:PATH/);
  await cli.ok(['export', `latest:${one}`, '-o', file]);
  rmSync(file);
  await cli.ok(['export', `latest:${one}/config/absdatabase.sqlite`, '-o', file]);
  rmSync(file);
  await refused(`latest:${two}/config`, 1, /does not tell the server's version.*--server-version/);
  await cli.ok(['export', `latest:${two}`, '-o', file, '--server-version', '2.30.1']);
  const details = readZip(file)?.at(-1)?.content.toString();
  if (details !== undefined) assert.match(details, /\n2\.30\.1$/);
  rmSync(file);
  assert.equal((await cli.run(['export', `latest:${two}`, '-o', file, '--server-version', 'new'])).code, 2);

  // Stored as it lay there, with its log beside it.
  const live = new Database(join(two, 'config/absdatabase.sqlite'));
  live.pragma('wal_autocheckpoint = 0');
  live.exec("UPDATE settings SET value = value || ' '");
  await cli.ok(['backup', two, '--no-databases']);
  live.close();
  await refused(`latest:${two}`, 1, /beside a log whose commits would be lost.*--allow-unverified/);
  const asked = await cli.run([
    'export',
    `latest:${two}`,
    '-o',
    file,
    '--allow-unverified',
    '--server-version',
    '2.36.0',
    '--json',
  ]);
  assert.equal(asked.code, 3, asked.stderr);
  assert.match(asked.stdout, /UNVERIFIED/);
  rmSync(file);

  const bytes = readFileSync(join(one, 'config/absdatabase.sqlite'));
  bytes.fill(0x55, 4096 * 3, 4096 * 9);
  writeFileSync(join(one, 'config/absdatabase.sqlite'), bytes);
  assert.equal((await cli.run(['backup', one])).code, 3);
  await refused('latest', 1, /its check in the snapshot is "unverified"/);
});

test('an archive of a server goes out as its backup, too, and through a pipe', async (t) => {
  const cli = new CliFixture(t);
  await cli.init();
  makeServer(join(cli.source, 'abs'), { books: 2 });
  await cli.ok(['backup', cli.source]);
  const tar = join(cli.folder, 'all.tar');
  await cli.ok(['export', `latest:${cli.source}`, '-o', tar]);
  await cli.ok(['import', tar, '--prefix', '/in', '--label', 'archive']);
  const child = cli.spawn(['export', 'latest:/in', '--label', 'archive', '--format', 'audiobookshelf', '-o', '-']);
  const pieces: Buffer[] = [];
  for await (const piece of child.stdout ?? []) pieces.push(piece as Buffer);
  const file = join(cli.folder, 'piped');
  writeFileSync(file, Buffer.concat(pieces));
  const { format, databases } = await cli.json(['import', file, '--prefix', '/srv/abs']);
  assert.equal(format, 'audiobookshelf');
  assert.equal(databases[0].path, '/srv/abs/config/absdatabase.sqlite');
  const plain = await cli.json(['import', file, '--format', 'zip']);
  assert.deepEqual([plain.format, plain.databases], ['zip', []]);
});

test("a server is brought back in place from a backup file of its own, and the next night's backup captures it", async (t) => {
  const cli = new CliFixture(t);
  await cli.init();
  const { database, metadata } = makeServer(cli.source, { books: 3 });
  await cli.ok(['backup', cli.source]);
  const file = join(cli.folder, 'kept.audiobookshelf');
  await cli.ok(['export', 'latest', '-o', file]);
  const was = readFileSync(database);
  const covers = contents(join(metadata, 'items'));
  const broken = new Database(database);
  broken.exec('DELETE FROM books; DELETE FROM libraryItems');
  broken.close();
  rmSync(join(metadata, 'items'), { recursive: true });

  const { snapshot_id: imported } = await cli.json(['import', file, '--prefix', cli.source]);
  await cli.ok(['restore', imported, '--in-place']);
  assert.ok(readFileSync(database).equals(was));
  assert.deepEqual(contents(join(metadata, 'items')), covers);
  assert.equal(readFileSync(join(metadata, 'logs', 'server.txt'), 'utf8'), 'a log', 'nothing else was touched');

  const { databases, parent } = await cli.json(['backup', cli.source, '--parent', imported]);
  assert.equal(parent, imported);
  assert.deepEqual([databases.length, databases[0].check], [1, 'ok']);
  const latest = await catFile(cli, `latest:${database}`);
  assert.ok(latest.equals(was));
  assert.ok(databases[0].duration_seconds > 0, 'captured, and not taken over from the import');
  assert.deepEqual((await cli.json(['check', '--read-data'])).errors, []);
});
