import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CliFixture, jsonLines } from '../support/cli.ts';
import { makeAudiobookshelf, makeFiles, makeImmich, makeImmichCompose } from '../support/servers.ts';

test('profiles detect says whose folders these are, why, and what a backup would do, without a repository', async (t) => {
  const cli = new CliFixture(t);
  const shelf = join(cli.folder, 'audiobooks');
  mkdirSync(shelf, { recursive: true });
  makeAudiobookshelf(cli.source, { library: shelf, metadata: '/metadata' });
  const { stdout } = await cli.ok(['profiles', 'detect', cli.source]);
  assert.match(stdout, new RegExp(`^Audiobookshelf in ${cli.source}: --profile audiobookshelf$`, 'm'));
  assert.match(stdout, /since +.*config holds absdatabase\.sqlite \(a SQLite database\)/);
  assert.match(stdout, /left out +.*metadata\/backups \(the server's own backups\)/);
  assert.match(stdout, /precious +.*metadata\/cache\/items/);
  assert.match(stdout, /warning +.*library folder .*audiobooks is not among the sources/);
  const [server] = JSON.parse((await cli.ok(['profiles', 'detect', cli.source, shelf, '--json'])).stdout);
  assert.equal(server.profile, 'audiobookshelf');
  assert.equal(server.folder, cli.source);
  assert.deepEqual(server.warnings, []);
  assert.deepEqual(server.databases, [
    {
      path: join(cli.source, 'config/absdatabase.sqlite'),
      kind: 'sqlite',
      what: 'users, progress, libraries, settings',
      rebuildable: false,
    },
  ]);
  assert.ok(server.paths.some((one: { path: string; left_out: boolean }) => /backups$/.test(one.path) && one.left_out));
  const folders = server.folders.map((one: { said: string; path: string }) => [one.said, one.path]);
  assert.deepEqual(folders, [
    [shelf, shelf],
    ['/metadata/backups', join(cli.source, 'metadata/backups')],
  ]);
});

test('profiles detect gives the flags that a backup needs, and says what stays in without a dump', async (t) => {
  const cli = new CliFixture(t);
  const compose = join(cli.source, 'immich');
  makeImmich(join(compose, 'library'));
  makeImmichCompose(compose, { upload: './library' });
  const { stdout } = await cli.ok(['profiles', 'detect', cli.source]);
  const flags = '--profile immich --postgres postgresql://USER@HOST/immich';
  assert.ok(stdout.startsWith(`Immich in ${compose}: ${flags}\n`), stdout);
  assert.match(stdout, /^ {2}dump +postgresql database immich \(users, albums/m);
  assert.match(stdout, /^ {2}kept +.*library\/backups \(the server's own dumps of its database\)$/m);
  assert.match(stdout, /^ {2}secret +.*immich\/\.env/m);
  assert.match(stdout, /^ {2}named +.*immich\/library \(upload location\)$/m);
  const [server] = JSON.parse((await cli.ok(['profiles', 'detect', cli.source, '--json'])).stdout);
  assert.deepEqual(server.server_databases, [
    {
      kind: 'postgresql',
      name: 'immich',
      what: 'users, albums, faces, where each picture lies',
      flag: '--postgres postgresql://USER@HOST/immich',
    },
  ]);
  const out = server.paths.filter((one: { left_out: boolean }) => one.left_out);
  assert.deepEqual(
    out.map((one: { role: string }) => one.role),
    ['rebuildable', 'rebuildable'],
  );
});

test('profiles list names all of them; detect of what is not there fails, of anything else says so', async (t) => {
  const cli = new CliFixture(t);
  makeFiles(cli.source, ['book']);
  assert.match((await cli.ok(['profiles', 'list'])).stdout, /^immich +Immich +postgresql$/m);
  const names = JSON.parse((await cli.ok(['profiles', 'list', '--json'])).stdout).map(
    (one: { name: string }) => one.name,
  );
  assert.ok(names.includes('calibre-web-automated'));
  assert.match((await cli.ok(['profiles', 'detect', cli.source])).stdout, /No server was recognised/);
  const missing = await cli.run(['profiles', 'detect', join(cli.folder, 'missing')]);
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /missing cannot be looked into: ENOENT/);
});

test('backup --profile applies it and says so in its summary; an unknown one is wrong usage, a missing server a problem', async (t) => {
  const cli = new CliFixture(t);
  makeAudiobookshelf(cli.source, { library: '/elsewhere', metadata: '/metadata' });
  await cli.init();
  const plain = await cli.ok(['backup', cli.source]);
  assert.match(plain.stderr, /looks like Audiobookshelf: with --profile audiobookshelf/);
  const run = await cli.ok(['backup', cli.source, '--profile', 'audiobookshelf', '--json']);
  const summary = jsonLines(run.stdout).at(-1) as { profiles: { name: string; folder: string; warnings: string[] }[] };
  assert.deepEqual(
    summary.profiles.map(({ name, folder }) => [name, folder]),
    [['audiobookshelf', cli.source]],
  );
  assert.match(summary.profiles[0]?.warnings.join() ?? '', /library folder \/elsewhere is not found here/);
  assert.equal((await cli.run(['backup', cli.source, '--profile', 'plex'])).code, 2);
  const wrong = await cli.run(['backup', cli.source, '--profile', 'kavita']);
  assert.equal(wrong.code, 3);
  assert.match(wrong.stderr, /No folder of Kavita was recognised/);
});
