import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import { CliFixture } from './support/cli.ts';
import { exampleNamed, movedInto, placesOfExamples, shell, TOP } from './support/examples.ts';
import { machineIn, makeMachine, pathsInRows } from './support/server-machine.ts';
import { ServerProcess } from './support/server-process.ts';
import { addCalibreBook, makeCalibreLibrary, makeFiles } from './support/servers.ts';
import { treeState } from './support/tree-state.ts';

/** Beside a server of this test, which answers meanwhile. */
async function runLines(script: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)('sh', ['-e', '-c', script], { encoding: 'utf8' });
  return stdout.trim().split('\n');
}

test('the first use in README.md does what it says', (t) => {
  const folder = placesOfExamples(t);
  const output = shell(folder)(movedInto(folder, exampleNamed('first use')));
  assert.match(output, /2 snapshots/);
  assert.match(output, /No damage was found/);
  assert.deepEqual(treeState(join(folder, 'tmp/yesterday')), treeState(join(folder, 'srv/audiobooks')));
  assert.match(readFileSync(join(folder, 'recovery-sheet.txt'), 'utf8'), /snap recovery sheet/);
});

test('what README.md says of what to keep and of a second place is so', (t) => {
  const folder = placesOfExamples(t);
  const run = shell(folder);
  const title = join(folder, 'srv/audiobooks/Author/Title');
  mkdirSync(title, { recursive: true });
  const shelf = new Database(join(folder, 'srv/config/shelf.db'));
  shelf.exec('CREATE TABLE book (id INTEGER PRIMARY KEY, title TEXT)');
  run('snap init');
  for (const [night, time] of [
    ['first', '2026-01-02T02:00:00Z'],
    ['second', '2026-01-03T02:00:00Z'],
    ['third', '2026-01-03T03:00:00Z'],
  ] as const) {
    writeFileSync(join(title, 'metadata.json'), `{"night":"${night}"}`);
    shelf.exec(`INSERT INTO book (title) VALUES ('${night}')`);
    run(`snap backup ${folder}/srv/audiobooks ${folder}/srv/config --time ${time}`);
  }
  shelf.close();
  const kept = run(movedInto(folder, exampleNamed('retention')));
  assert.match(kept, /daily/);
  assert.equal(JSON.parse(run('snap snapshots --json')).length, 2, 'one a day');

  run(movedInto(folder, exampleNamed('second place')));
  const second = JSON.parse(run(`snap snapshots --json -r ${folder}/mnt/second/snap`));
  assert.equal(second.length, 2);
  assert.equal(readFileSync(join(folder, 'audiobooks.zip')).subarray(0, 2).toString(), 'PK');
  assert.equal(JSON.parse(run('snap snapshots --json')).length, 3, 'the archive is one more');

  assert.match(run(movedInto(folder, exampleNamed('profiles'))), /audiobookshelf +Audiobookshelf +absdatabase\.sqlite/);
});

test('the nights in README.md go as it says', (t) => {
  const folder = placesOfExamples(t);
  const run = shell(folder);
  const shelf = new Database(join(folder, 'srv/config/shelf.db'));
  t.after(() => shelf.close());
  shelf.exec('CREATE TABLE book (id INTEGER PRIMARY KEY, title TEXT)');
  const file = join(folder, 'etc/snap/config.yaml');
  run('snap init --password-memory 8K --password-iterations 1');
  const output = run(`export SNAP_CONFIG=${file}\n${movedInto(folder, exampleNamed('every night'))}`);
  assert.match(readFileSync(file, 'utf8'), /shelf\.db/);
  assert.match(output, /config\.yaml is valid/);
  assert.match(output, /^Night of .*: all done\.$/m);

  // A machine with a service, a second disk, and nobody who listens.
  run(
    `snap init -r ${folder}/mnt/second/snap --copy-chunker-params ${folder}/mnt/backup/library --password-memory 8K --password-iterations 1`,
  );
  const systemctl = join(folder, 'bin/systemctl');
  writeFileSync(systemctl, `#!/bin/sh\necho "$@" >> ${folder}/services\n`);
  chmodSync(systemctl, 0o755);
  const example = exampleNamed('configuration').replace('https://hc-ping.com', 'http://127.0.0.1:9');
  writeFileSync(file, movedInto(folder, example), { mode: 0o600 });
  const night = JSON.parse(run(`snap run --config ${file} --json | tail -n 1`));
  assert.equal(night.exit_code, 0, JSON.stringify(night));
  assert.equal(readFileSync(join(folder, 'services'), 'utf8'), 'stop audiobookshelf\nstart audiobookshelf\n');
  assert.equal(JSON.parse(run(`snap snapshots --json -r ${folder}/mnt/second/snap`)).length, 2);
});

test('the server in README.md is started, configured and asked as it says', async (t) => {
  const folder = placesOfExamples(t);
  const run = shell(folder);
  run('snap init --password-memory 8K --password-iterations 1');
  const file = join(folder, 'etc/snap.yaml');
  writeFileSync(file, movedInto(folder, exampleNamed('server configuration')));
  assert.match(run(`snap config validate --config ${file}`), /is valid/);
  const fixture = new CliFixture(t);
  const command = movedInto(folder, exampleNamed('serve').split('#')[0] ?? '');
  const [, , , state = '', ...sources] = command.trim().split(/\s+/);
  assert.match(command, /^snap serve --state \S+ \S+ \S+\s+$/);
  const server = await ServerProcess.start(t, fixture, {
    flags: ['-r', join(folder, 'mnt/backup/library'), '--state', state, ...sources],
  });
  const admin = await server.setUp();
  const { secret } = await admin.post('/tokens', { name: 'script', scopes: ['backup'] });
  const script = exampleNamed('serve script').replaceAll('http://127.0.0.1:8480', server.url);
  const [snapshots = '', night = ''] = await runLines(
    `SNAP_TOKEN=${secret}\n${script.replaceAll('\ncurl', '\necho\ncurl')}`,
  );
  assert.deepEqual(JSON.parse(snapshots).items, []);
  const { job } = await admin.untilOver(JSON.parse(night).job.id);
  assert.equal(job.status, 'COMPLETED', JSON.stringify(job));
});

/** What may differ from run to run: ids, times, and what took how long. */
function timeless(text: string): string {
  return text
    .replaceAll(/\b[0-9a-f]{8}\b/g, 'ID')
    .replaceAll(/\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d)?/g, 'TIME')
    .replaceAll(/\b\d+\.\d s\b/g, 'SECONDS')
    .replaceAll(/process \d+ \([^)]*\)/g, 'PROCESS')
    .replaceAll(/(ID {2}TIME {2}).*/g, '$1HOST');
}

/** Commands of a transcript, each with what it printed. */
function transcript(name: string): { readonly command: string; readonly output: string }[] {
  const readme = readFileSync(join(TOP, 'README.md'), 'utf8');
  const found = new RegExp(`<!-- transcript: ${name} -->\\n\`\`\`console\\n([\\s\\S]*?)\`\`\``).exec(readme)?.[1];
  const text = found ?? assert.fail(`README.md has no transcript "${name}"`);
  return text
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const end = part.indexOf('\n');
      return { command: part.slice(0, end), output: part.slice(end + 1) };
    });
}

test('the day something went wrong goes just as README.md shows it', async (t) => {
  const folder = placesOfExamples(t);
  const run = shell(folder);
  const [book, config] = [join(folder, 'srv/audiobooks/Melville/Moby Dick'), join(folder, 'srv/config')];
  rmSync(join(folder, 'srv/audiobooks/book.m4b'));
  rmSync(join(config, 'settings'));
  mkdirSync(book, { recursive: true });
  mkdirSync(join(folder, 'srv/audiobooks/Austen/Emma'), { recursive: true });
  writeFileSync(join(book, 'book.m4b'), 'Call me Ishmael.');
  writeFileSync(join(book, 'metadata.json'), '{"title":"Moby Dick"}\n');
  writeFileSync(join(book, 'cover.jpg'), 'cover');
  writeFileSync(join(folder, 'srv/audiobooks/Austen/Emma/book.m4b'), 'Emma Woodhouse, handsome, clever');
  const database = new Database(join(config, 'absdatabase.sqlite'));
  t.after(() => database.close());
  database.exec('CREATE TABLE book (id INTEGER PRIMARY KEY, title TEXT, progress INTEGER)');
  database.exec("INSERT INTO book VALUES (1, 'Moby Dick', 10), (2, 'Emma', 97)");
  const backup = async (daysAgo: number): Promise<void> => {
    // What is as young as the snapshot is compared by content, and a plan says so.
    await sleep(50);
    const time = new Date(Date.now() - daysAgo * 24 * 3600_000).toISOString();
    run(`snap backup -q ${folder}/srv/audiobooks ${folder}/srv/config --time ${time}`);
  };
  run('snap init -q --password-memory 8K --password-iterations 1');
  await backup(30);
  writeFileSync(join(book, 'metadata.json'), '{"title":"Moby-Dick; or, The Whale"}\n');
  database.exec('UPDATE book SET progress = 55 WHERE id = 1');
  await backup(2);
  writeFileSync(join(book, 'metadata.json'), '{"title":""}\n');
  rmSync(join(book, 'cover.jpg'));
  rmSync(join(folder, 'srv/audiobooks/Austen'), { recursive: true });
  database.exec('DELETE FROM book WHERE id = 2');
  const [first] = JSON.parse(run('snap snapshots --json'));
  for (const name of ['what happened', 'the books', 'as of a date', 'the database', 'elsewhere']) {
    for (const { command, output } of transcript(name)) {
      if (command === 'stop-the-server') {
        database.close();
        continue;
      }
      // The server is this process: its database is open.
      const words = movedInto(folder, command.replaceAll('740d4b9c', first.short_id)).replaceAll(
        '/mnt/new',
        `${folder}/mnt/new`,
      );
      const shown = run(`(${words}) 2>&1 || true`).replaceAll(folder, '');
      assert.equal(timeless(shown), timeless(output), command);
    }
  }
});

test('a broken book is told as README.md shows it', (t) => {
  const folder = placesOfExamples(t);
  const books = join(folder, 'srv/books');
  makeCalibreLibrary(books);
  addCalibreBook(books, { id: 1, title: 'Moby Dick', path: 'Melville/Moby Dick (1)', formats: ['EPUB'], cover: true });
  addCalibreBook(books, { id: 2, title: 'Emma', path: 'Austen/Emma (2)', formats: ['EPUB'] });
  rmSync(join(books, 'Melville/Moby Dick (1)/Moby Dick.epub'));
  makeFiles(books, ['Austen/Persuasion (7)/Persuasion.epub']);
  const run = shell(folder);
  run('snap init -q --password-memory 8K --password-iterations 1');
  for (const { command, output } of transcript('a broken book')) {
    const shown = run(`(${movedInto(folder, command)}) 2>&1 || true`).replaceAll(folder, '');
    assert.equal(shown, output, command);
  }
});

test('a server moves to a new machine just as README.md shows it', async (t) => {
  const folder = placesOfExamples(t);
  const run = shell(folder);
  rmSync(join(folder, 'srv'), { recursive: true });
  // The database holds the folder's own path, which makes it a little longer on some machines.
  const sizeless = (text: string): string => timeless(text).replaceAll(/\d+\.\d+ KiB/g, 'SIZE');
  const machine = makeMachine(folder, { sees: '/audiobooks' });
  const notes = new Database(machine.database);
  notes.exec("CREATE TABLE bookmarks (note TEXT); INSERT INTO bookmarks VALUES ('/audiobooks/Austen/Emma')");
  notes.close();
  await sleep(50);
  run('snap init -q --password-memory 8K --password-iterations 1');
  run(`snap backup -q ${folder}/srv/abs ${folder}/srv/audiobooks ${folder}/srv/unrelated --profile audiobookshelf`);
  // Another machine: neither its cache nor its folders are there.
  rmSync(join(folder, 'cache'), { recursive: true });
  rmSync(join(folder, 'srv'), { recursive: true });
  for (const { command, output } of transcript('a new machine')) {
    const words = movedInto(folder, command).replaceAll('/mnt/new', `${folder}/mnt/new`);
    const shown = run(`(${words}) 2>&1 || true`).replaceAll(folder, '');
    assert.equal(sizeless(shown), sizeless(output), command);
  }
  const moved = { ...machineIn(folder), database: join(folder, 'mnt/new/abs/config/absdatabase.sqlite') };
  const paths = pathsInRows(moved.database);
  assert.ok(paths.includes('/books/Austen/Emma/book.m4b'));
  for (const path of paths) assert.ok(/^\/books|\/mnt\/new\/abs\/metadata\//.test(path), path);
  assert.equal(existsSync(join(folder, 'mnt/new/unrelated')), false);
});

test('the library example in README.md does what it says', (t) => {
  const folder = placesOfExamples(t);
  const example = movedInto(folder, exampleNamed('library'));
  writeFileSync(
    join(folder, 'example.mjs'),
    example.replace("'snap-engine'", `'${join(TOP, 'dist/engine/index.js')}'`),
  );
  const output = execFileSync(process.execPath, [join(folder, 'example.mjs')], { encoding: 'utf8' });
  assert.match(output, /^file 16 .*\/srv\/audiobooks\/book\.m4b$/m);
  const restored = join(folder, 'tmp/restored', folder, 'srv/audiobooks');
  assert.ok(existsSync(restored));
  assert.deepEqual(treeState(restored), treeState(join(folder, 'srv/audiobooks')));
});
