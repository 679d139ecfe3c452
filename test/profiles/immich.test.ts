/** Servers whose database is in Postgres or MariaDB: what a dump changes, and what settings beside a compose file say. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { BackupOptions } from '../../engine/operations/backup/options.ts';
import type { Library } from '../support/library.ts';
import { detected, made, type Saved, save, saveAsDumped } from '../support/saved-servers.ts';
import { makeBooklore, makeFiles, makeImmich, makeImmichCompose, makePostgresFiles } from '../support/servers.ts';

const FOLDERS = ['library', 'upload', 'profile', 'thumbs', 'encoded-video', 'backups'];
const OWN_DUMP = 'backups/immich-db-backup-1.sql.gz';

/** A dump that is asked for. Its server does not answer: in a backup it is a problem. */
function asking(...urls: readonly string[]): Partial<BackupOptions> {
  return { databaseServers: urls.map((url) => ({ url, environment: {} })) };
}

function saveImmich(
  library: Library,
  options: Partial<BackupOptions> & { readonly sources?: readonly string[] } = {},
): Promise<Saved> {
  const { sources = [library.source], ...rest } = options;
  return save(library, 'immich', sources, rest);
}

test('immich: every marker and empty folder is kept, thumbnails are not; its own dumps stay while there is no other', async (t) => {
  const library = await made(t);
  makeImmich(library.source);
  const { files, applied } = await saveImmich(library);
  for (const name of FOLDERS) assert.ok(files.includes(`${name}/.immich`), `${name} keeps its marker`);
  assert.ok(!files.some((file) => /\.(?:jpeg|mp4)$/.test(file)));
  assert.ok(files.includes(OWN_DUMP), 'all there is of the database');
  assert.match(
    applied.warnings.join(),
    /Immich keeps users, .* in Postgres: without a dump of that database .*--postgres/,
  );
  const { target } = await library.restore();
  assert.deepEqual(readdirSync(join(target, 'upload/uuid/empty')), []);
  assert.deepEqual(readdirSync(join(target, 'thumbs')), ['.immich']);
});

test('immich: with a dump of its database its own dumps stay out, and there is no warning; one of another one is no reason', async (t) => {
  const library = await made(t);
  makeImmich(library.source);
  for (const url of ['postgresql:///immich?host=/nowhere', 'postgresql://?host=/nowhere']) {
    const { files, applied } = await saveAsDumped(library, 'immich', asking(url));
    assert.deepEqual(applied.warnings, [], url);
    assert.ok(!files.includes(OWN_DUMP), url);
    assert.ok(files.includes('backups/.immich'), 'its marker is kept');
  }
  for (const url of ['postgresql:///photos?host=/nowhere', 'mariadb:///immich?socket=/nowhere']) {
    const { files } = await saveImmich(library, asking(url));
    assert.ok(files.includes(OWN_DUMP), url);
  }
});

test('immich: detect says which dump is needed and that its own ones stay', async (t) => {
  const library = await made(t);
  makeImmich(library.source);
  const [found] = await detected(library, library.source);
  assert.deepEqual(
    found?.serverDatabases.map(({ kind, name }) => [kind, name]),
    [['postgresql', 'immich']],
  );
  const out = found.paths.filter(({ isLeftOut }) => isLeftOut).map(({ path }) => path.toString());
  assert.deepEqual(
    out,
    ['thumbs', 'encoded-video'].map((name) => join(library.source, name)),
  );
});

test('immich: a compose folder is recognised by its settings, wherever the upload location is', async (t) => {
  const library = await made(t);
  const compose = join(library.source, 'immich');
  const upload = join(library.folder, 'photos');
  makeImmich(upload);
  makeImmichCompose(compose, { upload });
  const [found, ...others] = await detected(library, library.source);
  assert.deepEqual(others, []);
  assert.deepEqual(
    found?.parts.map(({ name, folder }) => [name, folder.toString()]),
    [
      ['compose', compose],
      ['upload', upload],
    ],
  );
  assert.match(found.reasons.join('\n'), /immich holds \.env \(a file that sets UPLOAD_LOCATION\)/);
  assert.match(found.reasons.join('\n'), /photos is named in \.env \(UPLOAD_LOCATION\)/);
  assert.match(found.warnings.join('\n'), new RegExp(`the upload location ${upload} is not among the sources`));
  const only = await saveImmich(library);
  assert.deepEqual([...only.files].sort(), ['immich/.env', 'immich/docker-compose.yml']);
  assert.ok(only.applied.warnings.some((warning) => warning.includes('is not among the sources')));

  // With both, it is one server, not two.
  const both = await saveImmich(library, { sources: [library.source, upload] });
  assert.deepEqual(
    both.applied.folders.map(({ said, path }) => [said, path?.toString()]),
    [
      [upload, upload],
      [join(compose, 'postgres'), undefined],
    ],
  );
  assert.ok(!both.files.some((file) => file.endsWith('.jpeg')));
  assert.ok(both.files.some((file) => file.endsWith('/upload/uuid/ab/cd/b.jpg')));
  assert.ok(!both.applied.warnings.some((warning) => warning.includes('among the sources')));
});

test('immich: relative places are those of the compose folder, which may be found from the upload folder, too', async (t) => {
  const library = await made(t);
  const compose = join(library.source, 'immich');
  makeImmich(join(compose, 'library'));
  makeImmichCompose(compose, { upload: './library', more: 'PROFILE_LOCATION=../faces\n' });
  mkdirSync(join(library.source, 'faces'));
  for (const source of [library.source, compose, join(compose, 'library')]) {
    const servers = await detected(library, source);
    assert.equal(servers.length, 1, source);
    const parts = Object.fromEntries((servers[0]?.parts ?? []).map(({ name, folder }) => [name, folder.toString()]));
    assert.deepEqual(parts, { upload: join(compose, 'library'), compose }, source);
    assert.deepEqual(
      servers[0]?.folders.map(({ rule, said }) => [rule.what, said]),
      [
        ['upload location', join(compose, 'library')],
        ['folder of the pictures of users', join(library.source, 'faces')],
        ['the files of a running Postgres', join(compose, 'postgres')],
      ],
    );
    assert.equal(
      servers[0]?.warnings.some((warning) => warning.includes('pictures of users')),
      source !== library.source,
    );
  }
});

test('immich: an upload location that is not there is a warning', async (t) => {
  const library = await made(t);
  makeImmichCompose(join(library.source, 'immich'), { upload: '/mnt/not-mounted/photos' });
  const { applied } = await saveImmich(library);
  assert.match(
    applied.warnings.join('\n'),
    /the upload location \/mnt\/not-mounted\/photos that \.env names is not found/,
  );
  assert.match(applied.warnings.join('\n'), /Immich keeps users/);
});

test("immich: a running Postgres's own files are a warning until a dump is asked for, then they stay out", async (t) => {
  const library = await made(t);
  const compose = join(library.source, 'immich');
  makeImmich(join(compose, 'library'));
  makeImmichCompose(compose, { upload: './library', data: './postgres' });
  makePostgresFiles(join(compose, 'postgres'));
  const without = await saveImmich(library);
  assert.ok(without.files.includes('immich/postgres/base/1/1247'));
  assert.match(without.applied.warnings.join('\n'), /immich\/postgres holds the files of a running Postgres/);
  const dumped = await saveAsDumped(library, 'immich', asking('postgresql:///immich?host=/nowhere'));
  assert.ok(!dumped.files.some((file) => file.startsWith('immich/postgres/')), dumped.files.join('\n'));
  assert.deepEqual(dumped.applied.warnings, []);
  const { target } = await library.restore();
  assert.deepEqual(readdirSync(join(target, 'immich/postgres')), [], 'its folder is there, empty');
});

test('immich: a setting that points elsewhere leaves nothing out', async (t) => {
  const library = await made(t);
  const compose = join(library.source, 'immich');
  makeImmich(join(compose, 'library'));
  makeFiles(compose, ['notes/mine.txt']);
  const dump = asking('postgresql:///immich?host=/nowhere');
  // Whatever somebody wrote there: the photos, the whole compose folder, the root, a folder of notes.
  for (const data of ['./library', '.', '..', '/', './notes', './library/upload']) {
    makeImmichCompose(compose, { upload: './library', data });
    const { files } = await saveAsDumped(library, 'immich', dump);
    for (const kept of ['immich/library/upload/uuid/ab/cd/b.jpg', 'immich/notes/mine.txt', 'immich/.env']) {
      assert.ok(files.includes(kept), `${data} leaves ${kept} in`);
    }
  }
  // Even where it looks like Postgres: what holds the photos stays in.
  makePostgresFiles(compose);
  makeImmichCompose(compose, { upload: './library', data: '.' });
  assert.ok((await saveAsDumped(library, 'immich', dump)).files.includes('immich/library/upload/uuid/ab/cd/b.jpg'));
});

test('immich: settings of any content do no harm', async (t) => {
  const library = await made(t);
  const compose = join(library.source, 'immich');
  makeFiles(compose, ['docker-compose.yml']);
  const env = join(compose, '.env');
  const isFound = async (): Promise<boolean> => (await detected(library, library.source)).length > 0;
  const contents = [
    '',
    'UPLOAD_LOCATION=',
    'UPLOAD_LOCATION="$ELSEWHERE/photos"',
    '#UPLOAD_LOCATION=/photos',
    'XUPLOAD_LOCATION=/photos',
    'UPLOAD_LOCATION=/a\0b',
    Buffer.alloc(70_000, 'UPLOAD_LOCATION=/photos\n'),
  ];
  for (const content of contents) {
    writeFileSync(env, content);
    assert.equal(await isFound(), false, JSON.stringify(content.toString().slice(0, 50)));
  }
  // A volume of Docker's, somebody's home, a path that no file system takes, bytes that are no text: named, and nowhere.
  const odd = ['photos', '~/photos', `/${'x'.repeat(5000)}`, Buffer.from('UPLOAD_LOCATION=/\xff\xfe', 'latin1')];
  for (const value of odd) {
    writeFileSync(env, typeof value === 'string' ? `UPLOAD_LOCATION=${value}\n` : value);
    const [found] = await detected(library, library.source);
    assert.equal(found?.profile, 'immich');
    assert.ok(found.folders.every(({ path }) => path === undefined));
  }
  rmSync(env);
  execFileSync('mkfifo', [env]);
  assert.equal(await isFound(), false, 'nobody waits for a pipe');
  rmSync(env);
  symlinkSync('/dev/zero', env);
  assert.equal(await isFound(), false);
});

test('booklore: no dump of MariaDB is a warning, as are copied files of a running one; with a dump these stay out', async (t) => {
  const library = await made(t);
  makeBooklore(library.source);
  const kept = ['bookdrop/b.epub', 'books/a.epub', 'data/metadata_backup/1/metadata.json', 'data/thumbs/1/f.jpg'];
  const without = await save(library, 'booklore');
  const raw = 'config/mariadb/databases/ibdata1';
  assert.deepEqual([...without.files].sort(), [...kept.slice(0, 2), raw, ...kept.slice(2)]);
  assert.match(without.applied.warnings.join('\n'), /in MariaDB: without a dump of that database .*--mariadb/);
  assert.match(without.applied.warnings.join('\n'), /config\/mariadb\/databases holds the files of a running MariaDB/);
  const { files, applied } = await saveAsDumped(library, 'booklore', asking('mariadb:///booklore?socket=/nowhere'));
  assert.deepEqual([...files].sort(), kept);
  assert.deepEqual(applied.warnings, []);
});
