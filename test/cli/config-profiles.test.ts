/** Profiles of servers in the configuration file. */

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CliFixture, jsonLines, lastJson } from '../support/cli.ts';
import {
  makeAudiobookshelf,
  makeCalibreLibrary,
  makeCalibreWeb,
  makeFiles,
  makeImmich,
  makeJellyfin,
} from '../support/servers.ts';

interface Given {
  readonly cli: CliFixture;
  readonly shelf: string;
  readonly file: string;
  readonly write: (text: string) => void;
  /** Files of the newest snapshot. */
  readonly files: () => Promise<string>;
}

async function given(t: TestContext): Promise<Given> {
  const cli = new CliFixture(t);
  const shelf = join(cli.folder, 'audiobooks');
  makeFiles(shelf, ['a/book.m4b']);
  makeAudiobookshelf(cli.source, { library: shelf, metadata: '/metadata' });
  const file = join(cli.folder, 'config.yaml');
  const write = (text: string): void => writeFileSync(file, text, { mode: 0o600 });
  await cli.init();
  const files = async (): Promise<string> => (await cli.ok(['ls', 'latest', '--recursive'])).stdout;
  return { cli, shelf, file, write, files };
}

const OWN_BACKUP = /T0130\.audiobookshelf/;

test('generate writes the profiles that fit, with what they found as comments; that file is valid, and backup and run apply it', async (t) => {
  const { cli, shelf, file, files } = await given(t);
  const made = await cli.ok(['config', 'generate', cli.source, shelf, '--output', file]);
  const text = readFileSync(file, 'utf8');
  assert.match(text, /^profiles:\n {2}- audiobookshelf$/m);
  assert.match(text, new RegExp(`^ {2}# Audiobookshelf in ${cli.source}, since .*absdatabase\\.sqlite`, 'm'));
  assert.match(text, /^ {2}# database .*config\/absdatabase\.sqlite \(users, progress, libraries, settings\)$/m);
  assert.doesNotMatch(text + made.stderr, /WARNING|not among/);
  await cli.ok(['config', 'validate', file]);
  assert.match((await cli.ok(['config', 'show', '--config', file])).stdout, /profiles +\["audiobookshelf"\] +.*:\d+/);
  for (const words of [['backup'], ['run']]) {
    await cli.ok([...words, '--config', file]);
    assert.doesNotMatch(await files(), OWN_BACKUP, words.join());
    assert.match(await files(), /original\.m4b/);
  }
});

test('generate warns of a library folder that is not among the sources, in the file and on the screen', async (t) => {
  const { cli, shelf } = await given(t);
  const { stdout, stderr } = await cli.ok(['config', 'generate', cli.source]);
  const warning = `Audiobookshelf: the library folder ${shelf} is not among the sources`;
  assert.ok(stdout.includes(`# WARNING: ${warning}.\n`), stdout);
  assert.ok(stderr.includes(warning));
  const { servers } = await cli.json(['config', 'generate', cli.source]);
  assert.deepEqual(
    servers.map((one: { profile: string; warnings: string[] }) => [one.profile, one.warnings]),
    [['audiobookshelf', [warning]]],
  );
});

test('generate names no database that a profile leaves out: a night would miss it', async (t) => {
  const { cli } = await given(t);
  makeFiles(join(cli.folder, 'none'), ['a']);
  const server = join(cli.folder, 'jellyfin');
  makeJellyfin(server);
  const { stdout } = await cli.ok(['config', 'generate', server]);
  assert.match(stdout, /^ {2}- .*data\/jellyfin\.db$/m);
  assert.doesNotMatch(stdout, /SQLiteBackups/);
});

test('generate writes the dumps that a server needs, for somebody to complete', async (t) => {
  const { cli, write, file } = await given(t);
  const immich = join(cli.folder, 'immich');
  makeImmich(immich);
  const { stdout } = await cli.ok(['config', 'generate', immich]);
  const lines = /^# (postgresql_databases:)\n# ( {2}- url: postgresql:\/\/USER@HOST\/immich {2}# Immich: users.*)$/m;
  assert.match(stdout, lines);
  write(stdout.replace(lines, '$1\n$2'));
  await cli.ok(['config', 'validate', file]);
});

test('generate takes a library that another server manages as a part of that', async (t) => {
  const { cli } = await given(t);
  const server = join(cli.folder, 'cw');
  makeCalibreLibrary(join(server, 'books'));
  makeCalibreWeb(server, { library: '/books' });
  const { stdout } = await cli.ok(['config', 'generate', server]);
  assert.match(stdout, /^profiles:\n {2}- calibre-web\n(?! {2}- calibre$)/m);
  assert.doesNotMatch(stdout, /^ {2}- calibre$/m);
});

test('validate names a profile that there is not, and the one that was meant', async (t) => {
  const { cli, write, file } = await given(t);
  const faults: readonly (readonly [string, RegExp, string | undefined])[] = [
    [
      'profiles: [kavitta]',
      /:1:12: profiles\[0\]: expected the name of a profile \(did you mean kavita\?\), not "kavitta"/,
      'kavita',
    ],
    ['profiles:\n  - generic\n  - calibre_web', /:3:5: .*did you mean calibre-web\?/, 'calibre-web'],
    [
      'profiles: [plex]',
      /expected the name of a profile \(audiobookshelf, calibre, .*generic\), not "plex"/,
      undefined,
    ],
    ['profiles: kavita', /:1:11: profiles: expected a list of profiles/, undefined],
    ['profile: [kavita]', /unknown key "profile": did you mean profiles\?/, 'profiles'],
  ];
  for (const [text, says, meant] of faults) {
    write(text);
    const { code, stderr } = await cli.run(['config', 'validate', file]);
    assert.equal(code, 2, text);
    assert.match(stderr, says);
    const json = JSON.parse((await cli.run(['config', 'validate', file, '--json'])).stdout);
    assert.equal(json.errors[0].suggestion, meant, text);
  }
});

test('--profile beats the file; other sources than those of the file go without its profiles', async (t) => {
  const { cli, shelf, write, file, files } = await given(t);
  const base = `source_directories: [${cli.source}, ${shelf}]\nrehearse_every: never\n`;
  write(`${base}profiles: [audiobookshelf]\n`);
  const profilesOf = (stdout: string): string[] => {
    const summary = jsonLines(stdout).at(-1) as { profiles: { name: string }[] };
    return summary.profiles.map(({ name }) => name);
  };
  const config = ['--config', file, '--json'];
  assert.deepEqual(profilesOf((await cli.ok(['backup', ...config])).stdout), ['audiobookshelf']);
  assert.doesNotMatch(await files(), OWN_BACKUP);
  const flag = await cli.ok(['backup', ...config, '--profile', 'generic']);
  assert.deepEqual(profilesOf(flag.stdout), ['generic', 'generic']);
  assert.match(await files(), OWN_BACKUP);
  // A folder that is no server's would be a problem with the file's profiles.
  assert.deepEqual(profilesOf((await cli.ok(['backup', shelf, ...config])).stdout), []);
});

test('a night whose server is not there says so, and what a profile warns of', async (t) => {
  const { cli, write, file } = await given(t);
  const missing = join(cli.folder, 'not-mounted');
  mkdirSync(missing);
  write(`source_directories: [${missing}]\nrehearse_every: never\nprofiles: [audiobookshelf]\n`);
  const wrong = await cli.run(['run', '--config', file, '--json']);
  assert.equal(wrong.code, 3);
  assert.match(JSON.stringify(lastJson(wrong.stdout)), /PROFILE_NOT_RECOGNISED/);
  write(`source_directories: [${cli.source}]\nrehearse_every: never\nprofiles: [audiobookshelf]\n`);
  const { stderr } = await cli.ok(['run', '--config', file]);
  assert.match(stderr, /the library folder .*audiobooks is not among the sources/);
});
