import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import Database from 'better-sqlite3';
import { CliFixture, PASSWORD, type Run } from '../support/cli.ts';

interface Given {
  readonly cli: CliFixture;
  readonly file: string;
  /** Writes the configuration, and returns its path. */
  readonly write: (text: string) => string;
}

function given(t: TestContext): Given {
  const cli = new CliFixture(t);
  mkdirSync(cli.source);
  writeFileSync(join(cli.source, 'book.m4b'), 'Call me Ishmael.');
  const file = join(cli.folder, 'config.yaml');
  const write = (text: string): string => {
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  return { cli, file, write };
}

/** Nothing of the fixture's own in the environment: only the file speaks. */
const SILENT = { SNAP_REPOSITORY: undefined, SNAP_PASSWORD: undefined, SNAP_CACHE_DIR: undefined };

function whole(cli: CliFixture): string {
  writeFileSync(join(cli.folder, 'password'), `${PASSWORD}\n`);
  return [
    `repository: ${cli.repository}`,
    `password_file: ${join(cli.folder, 'password')}`,
    `cache_directory: ${cli.cache}`,
    `source_directories: [${cli.source}]`,
    '',
  ].join('\n');
}

interface Fault {
  readonly name: string;
  readonly text: string;
  /** `line:column: message`, as it follows the file's name. */
  readonly says: RegExp;
}

const FAULTS: readonly Fault[] = [
  {
    name: 'a misspelt key',
    text: 'label: x\nkeep_dayly: 7\n',
    says: /^2:1: unknown key "keep_dayly": did you mean keep_daily\?$/,
  },
  {
    name: "a key in another's spelling",
    text: 'keep-daily: 7',
    says: /^1:1: unknown key "keep-daily": did you mean keep_daily\?$/,
  },
  {
    name: "another program's word",
    text: 'paths: [/srv]',
    says: /^1:1: unknown key "paths": did you mean source_directories\?$/,
  },
  {
    name: 'a key that is like none',
    text: 'zzzzzzzzzz: 1',
    says: /^1:1: unknown key "zzzzzzzzzz": known here: repository, /,
  },
  {
    name: 'a misspelt key deep inside',
    text: 'healthchecks:\n  ping_urll: https://x.example\n',
    says: /^2:3: unknown key "ping_urll": did you mean ping_url\?$/,
  },
  {
    name: 'a wrong count',
    text: 'keep_daily: many',
    says: /^1:13: keep_daily: expected a whole number, or unlimited, not "many"$/,
  },
  { name: 'a negative count', text: 'keep_daily: -7', says: /^1:13: keep_daily: expected a whole number/ },
  {
    name: 'a relative path',
    text: 'source_directories:\n  - /srv\n  - books\n',
    says: /^3:5: source_directories\[1\]: expected an absolute path/,
  },
  {
    name: 'a text for a list',
    text: 'source_directories: /srv',
    says: /^1:21: source_directories: expected a list of paths/,
  },
  {
    name: 'a wrong size',
    text: 'limit_read: fast',
    says: /^1:13: limit_read: expected bytes a second, such as 50M, not "fast"$/,
  },
  { name: 'a wrong interval', text: 'prune_every: weekly', says: /^1:14: prune_every: expected how often/ },
  {
    name: 'a wrong yes or no',
    text: 'exclude_caches: "yes"',
    says: /^1:17: exclude_caches: expected true or false, not "yes"$/,
  },
  { name: 'a zone that is none', text: 'zone: Europe/Berlín', says: /^1:7: zone: expected the name of a time zone/ },
  {
    name: 'a compression that is none',
    text: 'compression: 99',
    says: /^1:14: compression: expected off, or a level from 1 to 19, not 99$/,
  },
  {
    name: 'a password',
    text: 'repository: /r\npassword: hunter2',
    says: /^2:1: "password" is refused: a secret never stands in this file\. Use password_file or password_command$/,
  },
  {
    name: "a copy's password",
    text: 'copies:\n  - repository: /r\n    passphrase: x',
    says: /^3:5: "passphrase" is refused/,
  },
  {
    name: 'a password in an address',
    text: 'postgresql_databases:\n  - url: postgres://me:secret@host/db',
    says: /^2:10: .*an address without a password in it: name its file with password_file$/,
  },
  {
    name: 'a command without a point',
    text: 'commands:\n  - run: [date]',
    says: /^2:5: commands\[0\]: expected either "before" or "after"/,
  },
  {
    name: 'a command at no known point',
    text: 'commands:\n  - before: lunch\n    run: [date]',
    says: /^2:13: commands\[0\]\.before: expected one of run, backup/,
  },
  {
    name: 'a command line without a shell',
    text: 'commands:\n  - before: run\n    run: echo $HOME',
    says: /^2:5: commands\[0\]: expected "run" as a list.*shell: true/,
  },
  {
    name: 'a command without a program',
    text: 'commands:\n  - before: run\n    run: []',
    says: /^3:10: commands\[0\]\.run: expected a program/,
  },
  {
    name: 'a command that says when before it',
    text: 'commands:\n  - before: run\n    run: [a]\n    when: always',
    says: /expected "when" only beside "after"/,
  },
  {
    name: 'a time-out without a unit',
    text: 'commands:\n  - before: run\n    run: [date]\n    timeout: 5',
    says: /^4:14: commands\[0\]\.timeout: expected a time such as/,
  },
  {
    name: 'an address that is none',
    text: 'healthchecks:\n  ping_url: hc-ping.com/x',
    says: /^2:13: healthchecks\.ping_url: expected an address/,
  },
  { name: 'a key twice', text: 'label: a\nlabel: b\n', says: /^2:1: Map keys must be unique/ },
  { name: 'broken YAML', text: 'tags: [a, b\nlabel: c\n', says: /^2:1: / },
  { name: 'no map at all', text: '- a\n- b\n', says: /^1:1: expected keys with values/ },
  { name: 'two documents', text: 'label: a\n---\nlabel: b\n', says: /^2:1: .*multiple documents/ },
];

test('a fault is named by file, line and column, with what was expected', async (t) => {
  const { cli, write } = given(t);
  const wrong: object[] = [];
  for (const { name, text, says } of FAULTS) {
    const file = write(text);
    const { code, stderr } = await cli.run(['config', 'validate', file]);
    const found = stderr
      .split('\n')
      .some((line) => line.startsWith(`${file}:`) && says.test(line.slice(file.length + 1)));
    if (code !== 2 || !found) wrong.push({ name, code, stderr });
  }
  assert.deepEqual(wrong, []);
});

test('validate names every fault in order, as JSON too, and other verbs name the first', async (t) => {
  const { cli, write } = given(t);
  const file = write('repository: relative\nkeep_dayly: 7\nworkers: 0\n');
  const all = await cli.run(['config', 'validate', '--config', file]);
  assert.deepEqual(
    all.stderr
      .trimEnd()
      .split('\n')
      .map((line) => line.slice(file.length + 1).split(' ')[0]),
    ['1:13:', '2:1:', '3:10:'],
  );
  const json = JSON.parse((await cli.run(['config', 'validate', '--config', file, '--json'])).stdout);
  assert.equal(json.valid, false);
  assert.deepEqual(json.errors[1], {
    line: 2,
    column: 1,
    path: 'keep_dayly',
    message: 'unknown key "keep_dayly": did you mean keep_daily?',
    suggestion: 'keep_daily',
  });
  const other = await cli.run(['snapshots', '--config', file]);
  assert.equal(other.code, 2);
  assert.match(other.stderr, /config\.yaml:1:13: .* \("snap config validate" names 2 more\)/);
  assert.doesNotMatch(other.stderr, /\n.*\n/);
});

test('a secret that stands in the file is refused and not repeated', async (t) => {
  const { cli, write } = given(t);
  const file = write('password: hunter2\npostgresql_databases:\n  - url: postgres://me:hunter2@host/db\n');
  const { code, stderr, stdout } = await cli.run(['config', 'validate', file]);
  assert.equal(code, 2);
  assert.doesNotMatch(stderr + stdout, /hunter2/);
});

test('every verb takes repository, password and cache from the file', async (t) => {
  const { cli, write } = given(t);
  const env = { ...SILENT, SNAP_CONFIG: write(whole(cli)) };
  await cli.ok(['init', '--password-memory', '8K', '--password-iterations', '1'], { env });
  const summary = await cli.json(['backup'], { env });
  assert.equal(summary.files_new, 1);
  const [snapshot] = JSON.parse((await cli.ok(['snapshots', '--json'], { env })).stdout);
  assert.deepEqual(snapshot.paths, [cli.source]);
  await cli.ok(['check'], { env });
  const both = await cli.run(['--config', join(cli.folder, 'none.yaml'), 'snapshots'], { env });
  assert.equal(both.code, 2, 'a flag beats the variable');
  assert.match(both.stderr, /none\.yaml cannot be read/);
});

test('the file lies in its default place', async (t) => {
  const { cli } = given(t);
  const place = join(cli.folder, 'xdg', 'snap');
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, 'config.yaml'), whole(cli));
  const env = { ...SILENT, XDG_CONFIG_HOME: join(cli.folder, 'xdg') };
  const shown = JSON.parse((await cli.ok(['config', 'show', '--json'], { env })).stdout);
  assert.equal(shown.file, join(place, 'config.yaml'));
  await cli.ok(['init', '--password-memory', '8K', '--password-iterations', '1'], { env });
});

test('a flag beats the environment, which beats the file', async (t) => {
  const { cli, write } = given(t);
  await cli.init();
  const file = write(
    `${whole(cli)}host: of-the-file\nlabel: of-the-file\ncompression: off\nexclude_patterns: ["*.tmp"]\n`,
  );
  const hostOf = async (parameters: readonly string[], env: { [name: string]: string }): Promise<string> => {
    const { snapshot_id: id } = await cli.json(['backup', '--config', file, ...parameters], { env });
    const all = JSON.parse((await cli.ok(['snapshots', '--json'])).stdout) as { id: string; host: string }[];
    return all.find((one) => one.id === id)?.host ?? '';
  };
  assert.equal(await hostOf([], {}), 'of-the-file');
  assert.equal(await hostOf([], { SNAP_HOST: 'of-the-environment' }), 'of-the-environment');
  assert.equal(await hostOf(['--host', 'of-the-flag'], { SNAP_HOST: 'of-the-environment' }), 'of-the-flag');

  const show = async (parameters: readonly string[], env = {}): Promise<{ value: unknown; source: string }[]> => {
    const { settings } = JSON.parse(
      (await cli.ok(['config', 'show', '--json', '--config', file, ...parameters], { env })).stdout,
    );
    return ['repository', 'host', 'exclude_patterns', 'cache_directory'].map((key) => settings[key]);
  };
  const [repository, host, patterns, cache] = await show(['-r', '/elsewhere'], { SNAP_CACHE_DIR: '/cache' });
  assert.deepEqual(repository, { value: '/elsewhere', source: 'flag --repo' });
  assert.deepEqual(host, { value: 'of-the-file', source: `${file}:5` });
  assert.deepEqual(patterns, { value: ['*.tmp'], source: `${file}:8` });
  assert.deepEqual(cache, { value: '/cache', source: 'environment SNAP_CACHE_DIR' });
});

test('the password is taken from where it is named first, and show does not print it', async (t) => {
  const { cli, write } = given(t);
  await cli.init();
  const file = write(whole(cli));
  writeFileSync(join(cli.folder, 'password'), 'not this one\n');
  await cli.ok(['snapshots', '--config', file]);
  assert.equal((await cli.run(['snapshots', '--config', file], { env: SILENT })).code, 12);
  const shown = await cli.ok(['config', 'show', '--config', file]);
  assert.match(shown.stdout, /environment SNAP_PASSWORD/);
  assert.doesNotMatch(shown.stdout, new RegExp(PASSWORD));
});

test('exclusions, tags and limits of the file are those of a backup', async (t) => {
  const { cli, write } = given(t);
  await cli.init();
  writeFileSync(join(cli.source, 'rest.tmp'), 'x');
  const file = write(`${whole(cli)}exclude_patterns: ["*.tmp"]\ntags: [nightly]\nmax_shrink: 90%\nlimit_read: 50M\n`);
  assert.equal((await cli.json(['backup', '--config', file])).total_files_processed, 1);
  assert.equal((await cli.json(['backup', '--config', file, '--exclude', '*.nothing'])).total_files_processed, 2);
  assert.equal(JSON.parse((await cli.ok(['snapshots', '--json', '--tag', 'nightly'])).stdout).length, 2);
});

test('rules of the file are a policy together, and yield to any rule of the command line', async (t) => {
  const { cli, write } = given(t);
  await cli.init();
  const file = write(`${whole(cli)}keep_last: 1\nkeep_tags: [yearbook]\n`);
  for (const day of ['01', '02', '03']) {
    await cli.ok([
      'backup',
      cli.source,
      '--time',
      `2026-01-${day}T02:00:00Z`,
      '--tag',
      day === '01' ? 'yearbook' : 'x',
    ]);
  }
  const removed = async (parameters: readonly string[]): Promise<number> => {
    const { stdout } = await cli.ok(['forget', '--config', file, '--dry-run', '--json', ...parameters]);
    return JSON.parse(stdout).flatMap((group: { remove: unknown[] }) => group.remove).length;
  };
  assert.equal(await removed([]), 1, 'the last one and the yearbook stay');
  assert.equal(await removed(['--keep-last', '1']), 2, 'nothing of the file is mixed in');
  assert.equal(await removed(['latest~1']), 1, 'named ones go, and no policy is asked');
});

test('one other repository in the file is where copy goes', async (t) => {
  const { cli, write } = given(t);
  await cli.init();
  const second = join(cli.folder, 'second');
  await cli.ok(['init', '-r', second, '--password-memory', '8K', '--password-iterations', '1']);
  await cli.ok(['backup', cli.source]);
  const file = write(`${whole(cli)}copies:\n  - repository: ${second}\n`);
  assert.equal((await cli.json(['copy', '--config', file])).snapshots_copied, 1);
});

test('what generate writes is valid, names the databases, and is never written over anything', async (t) => {
  const { cli } = given(t);
  const name = join(cli.source, 'odd: name # 1');
  mkdirSync(name);
  const database = new Database(join(name, 'shelf.db'));
  database.exec('CREATE TABLE book (id INTEGER PRIMARY KEY)');
  database.close();
  writeFileSync(join(cli.source, 'thumbs.db'), 'this is no database of SQLite');
  const file = join(cli.folder, 'new', 'config.yaml');
  await cli.ok(['config', 'generate', cli.source, name, '--output', file]);
  await cli.ok(['config', 'validate', file]);
  const text = readFileSync(file, 'utf8');
  assert.match(text, /shelf\.db/);
  assert.doesNotMatch(text, /thumbs\.db/);
  assert.match(text, new RegExp(`^repository: ${cli.repository}$`, 'm'));
  const again = await cli.run(['config', 'generate', cli.source, '--output', file]);
  assert.equal(again.code, 2);
  assert.equal(readFileSync(file, 'utf8'), text);

  // Each example that stands as a comment is valid, too.
  const uncommented = text
    .split('\n')
    .filter((line) => !/^# (?:[A-Z]|----|Found|did not|password_command|one is)/.test(line))
    .map((line) => line.replace(/^# ( *(?:- )?"?[a-z*])/, '$1').replace(/^#( {2,}(?:- )?"?[a-z*])/, '$1'))
    .join('\n');
  const places = uncommented.replace(/^password_file:.*\n/m, '');
  const second = join(cli.folder, 'uncommented.yaml');
  writeFileSync(second, places);
  const run: Run = await cli.run(['config', 'validate', second]);
  assert.equal(run.code, 0, `${run.stderr}\n${places}`);
});

test('without folders generate writes an example that is valid', async (t) => {
  const { cli, write } = given(t);
  const { stdout } = await cli.ok(['config', 'generate'], { env: SILENT });
  await cli.ok(['config', 'validate', write(stdout)]);
});

test('a verb that must not stumble over a broken file goes without one', async (t) => {
  const { cli, write } = given(t);
  await cli.init();
  const env = { SNAP_CONFIG: write('tags: [') };
  assert.equal((await cli.run(['snapshots'], { env })).code, 2);
  await cli.ok(['snapshots', '--config', '/dev/null'], { env });
});

test('generate refuses a folder that is not there', async (t) => {
  const { cli } = given(t);
  const { code, stderr } = await cli.run(['config', 'generate', join(cli.folder, 'nowhere')]);
  assert.equal(code, 2);
  assert.match(stderr, /does not exist/);
});

test('a file that names programs and that everybody may write is refused', async (t) => {
  const { cli, write } = given(t);
  const file = write('commands:\n  - before: backup\n    run: [date]\n');
  await cli.ok(['config', 'validate', file]);
  chmodSync(file, 0o666);
  const { code, stderr } = await cli.run(['config', 'validate', file]);
  assert.equal(code, 2);
  assert.match(stderr, /everybody may write this file/);
  chmodSync(write('label: x\n'), 0o666);
  await cli.ok(['config', 'validate', file]);
});

test('YAML and its schema are loaded only where there is a file', async (t) => {
  const { cli, write } = given(t);
  await cli.init();
  const loadedBy = async (parameters: readonly string[], name: string): Promise<string[]> => {
    const folder = join(cli.folder, name);
    await cli.ok(parameters, { env: { NODE_V8_COVERAGE: folder } });
    const reports = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'));
    return ['node_modules/yaml/', 'node_modules/valibot/'].filter((one) => reports.some((text) => text.includes(one)));
  };
  assert.deepEqual(await loadedBy(['--version'], 'version'), []);
  assert.deepEqual(await loadedBy(['snapshots'], 'without'), []);
  const file = write('label: x\n');
  assert.equal((await loadedBy(['snapshots', '--config', file], 'with')).length, 2);
});

test('show names what holds where nobody says anything', async (t) => {
  const { cli, write } = given(t);
  const { stdout } = await cli.ok(['config', 'show', '--config', write('check_parts: 5\n'), '--json']);
  const { settings } = JSON.parse(stdout);
  assert.deepEqual(settings.prune_every, { value: '7d', source: 'default' });
  assert.equal(settings.check_parts.value, 5);
});
