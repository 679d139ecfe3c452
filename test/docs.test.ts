/** What docs/ says: links and pictures that are there, commands and buttons that exist, examples that run. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { CliFixture, PROGRAM } from './support/cli.ts';
import { exampleNamed, movedInto, placesOfExamples, shell, TOP } from './support/examples.ts';
import { ServerProcess } from './support/server-process.ts';
import { treeState } from './support/tree-state.ts';

const DOCS = join(TOP, 'docs');
const PICTURE_BYTES_MAX = 1_000_000;
const PAGES = readdirSync(DOCS).filter((name) => name.endsWith('.md'));
const CHEAP = '--password-memory 8K --password-iterations 1';

const text = (page: string): string => readFileSync(join(DOCS, page), 'utf8');

/** Where a page leads to, as paths. */
function targetsOf(page: string): string[] {
  const links = [...text(page).matchAll(/\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"/g)].map(
    ([, one, other]) => one ?? other,
  );
  return links
    .filter((link = '') => !/^(?:https?:|#)/.test(link))
    .map((link = '') => join(DOCS, link.split('#')[0] ?? ''));
}

test('every link and picture of the documentation is there, and every page is reached', () => {
  for (const page of PAGES) {
    for (const target of targetsOf(page)) assert.ok(existsSync(target), `${page}: ${relative(TOP, target)}`);
  }
  const index = targetsOf('README.md');
  for (const page of PAGES.filter((name) => name !== 'README.md')) assert.ok(index.includes(join(DOCS, page)), page);
  const readme = readFileSync(join(TOP, 'README.md'), 'utf8');
  for (const [, link = ''] of readme.matchAll(/\]\((docs\/[^)\s]+)\)/g)) assert.ok(existsSync(join(TOP, link)), link);
});

test('pictures are small, and each is shown somewhere', () => {
  const folder = join(DOCS, 'screenshots');
  const shown = new Set(PAGES.flatMap(targetsOf));
  const pictures = readdirSync(folder).map((name) => join(folder, name));
  for (const path of pictures) assert.ok(shown.has(path), `${relative(TOP, path)} is shown nowhere`);
  const bytes = pictures.reduce((sum, path) => sum + statSync(path).size, 0);
  assert.ok(bytes < PICTURE_BYTES_MAX, `${bytes} bytes`);
});

/** Commands of a page, as words: lines of its shell examples, and what stands in the text. */
function commandsOf(page: string): string[][] {
  const blocks = [...text(page).matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block = '']) => block.split('\n'));
  const inText = [
    ...text(page)
      .replaceAll(/```[\s\S]*?```/g, '')
      .matchAll(/`([^`\n]+)`/g),
  ].map(([, code = '']) => code);
  return [...blocks, ...inText]
    .map((line) => line.replace(/\s+#.*$/, '').replace(/\s*[|>].*$/, ''))
    .map((line) => line.match(/"[^"]*"|\S+/g) ?? []);
}

const VERBS_OF_VERBS = new Set(['config', 'key', 'profiles']);

function helpOf(words: readonly string[]): string {
  const { status, stdout } = spawnSync(process.execPath, [PROGRAM, ...words, '--help'], { encoding: 'utf8' });
  assert.equal(status, 0, words.join(' '));
  return stdout;
}

test('every command of the documentation is one of the program, with flags that it has', () => {
  const helps = new Map<string, string>();
  let checked = 0;
  for (const page of PAGES) {
    for (const [program, verb = '--help', ...rest] of commandsOf(page)) {
      if (program !== 'snap' || verb.startsWith('-') || verb === 'VERB') continue;
      const words = VERBS_OF_VERBS.has(verb) ? [verb, rest[0] ?? ''] : [verb];
      const key = words.join(' ');
      const help = helps.get(key) ?? helpOf(words);
      helps.set(key, help);
      assert.match(help, new RegExp(`^Usage: snap ${key}`), `${page}: snap ${key}`);
      for (const flag of rest.filter((word) => word.startsWith('-')).map((word) => word.split('=')[0] ?? '')) {
        assert.match(help, new RegExp(`(?:^|[\\s,])${flag}(?=[\\s,=]|$)`, 'm'), `${page}: snap ${key} ${flag}`);
        checked++;
      }
    }
  }
  assert.ok(checked > 20, `${checked} flags`);
});

test('every script of the documentation is one of the project', () => {
  const { scripts } = JSON.parse(readFileSync(join(TOP, 'package.json'), 'utf8'));
  const named = PAGES.flatMap((page) => [...text(page).matchAll(/npm run ([\w:]+)/g)].map(([, name = '']) => name));
  assert.ok(named.includes('demo'));
  for (const name of named) assert.ok(name in scripts, name);
});

test('every button and box that the documentation names is in the page', () => {
  const sources = readdirSync(join(TOP, 'server/page'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.tsx'))
    .map((path) => readFileSync(join(TOP, 'server/page', path), 'utf8'))
    .join('\n');
  const pages = PAGES.filter((page) => page !== 'nights.md');
  const named = pages.flatMap((page) => [...text(page).matchAll(/\*\*([^*]+)\*\*/g)].map(([, words = '']) => words));
  assert.ok(named.includes('Create Backup'));
  for (const words of named) assert.ok(sources.includes(words), words);
});

test('getting started: the repository, its recovery sheet, and a server that answers', async (t) => {
  const folder = placesOfExamples(t);
  const run = shell(folder);
  run(
    movedInto(folder, exampleNamed('repository', 'docs/getting-started.md')).replace('snap init', `snap init ${CHEAP}`),
  );
  assert.match(readFileSync(join(folder, 'recovery-sheet.txt'), 'utf8'), /snap recovery sheet/);
  const examples = [
    ['docs/getting-started.md', 'serve', ''],
    ['docs/network.md', 'home', ''],
    ['docs/network.md', 'proxy', '/snap'],
  ] as const;
  for (const [page, name, path] of examples) {
    const [, , ...flags] = movedInto(folder, exampleNamed(name, page)).trim().split(/\s+/);
    const fixture = new CliFixture(t);
    // Its own port is somebody else's, maybe.
    const given = flags.map((flag) => flag.replace(':8480', ':0'));
    const server = await ServerProcess.start(t, fixture, {
      flags: ['-r', join(folder, 'mnt/backup/library'), ...given],
    });
    const url = server.url.replace('0.0.0.0', '127.0.0.1');
    assert.ok(url.endsWith(path));
    assert.equal((await fetch(`${url}/healthz`)).status, 200, name);
    await server.end('SIGTERM');
  }
});

test('restoring: every way of the documentation leads back', async (t) => {
  const folder = placesOfExamples(t);
  const run = shell(folder);
  const library = join(folder, 'srv/audiobooks');
  for (const name of ['Emma', 'Dracula', 'Heidi']) writeFileSync(join(library, name), name);
  const days = (ago: number): string => new Date(Date.now() - ago * 24 * 3600_000).toISOString();
  run(`snap init -q ${CHEAP}`);
  run(`snap backup -q ${library} ${folder}/srv/config --time ${days(2)}`);
  const before = treeState(library);
  run(`snap backup -q ${library} ${folder}/srv/config`);
  rmSync(join(library, 'book.m4b'));
  const lines = movedInto(folder, exampleNamed('restoring', 'docs/restoring.md')).trim().split('\n');
  const rollback = lines.pop() ?? '';
  const said = run(lines.join('\n'));
  assert.match(said, /^create .*book\.m4b$/m);
  assert.deepEqual(treeState(library), before);
  assert.deepEqual(treeState(join(folder, 'tmp/yesterday')), before);
  run(rollback);
  assert.equal(existsSync(join(library, 'book.m4b')), false, 'as it was before the restore');

  const elsewhere = movedInto(folder, exampleNamed('new machine', 'docs/restoring.md'));
  run(elsewhere.replaceAll('/mnt/new', `${folder}/mnt/new`));
  assert.ok(existsSync(join(folder, 'mnt/new/audiobooks/book.m4b')));

  run(`snap backup -q --label snap-server-state ${folder}/srv/config`);
  assert.match(run(movedInto(folder, exampleNamed('state', 'docs/restoring.md'))), /snap-server-state/);
  assert.ok(existsSync(join(folder, 'tmp/state')));
});

test('configurations of the documentation are valid, and make a night', (t) => {
  const folder = placesOfExamples(t);
  const run = shell(folder);
  const file = join(folder, 'etc/snap.yaml');
  run(`snap init -q ${CHEAP}`);
  const night = movedInto(folder, exampleNamed('night', 'docs/nights.md'));
  const hooks = exampleNamed('hooks', 'docs/restoring.md');
  writeFileSync(file, `${night}${hooks}`, { mode: 0o600 });
  assert.match(run(`snap config validate --config ${file}`), /is valid/);
  assert.match(run(`snap run --config ${file}`), /^Night of .*: all done\.$/m);

  mkdirSync(join(folder, 'etc/snap'));
  writeFileSync(join(folder, 'etc/snap/password'), 'correct horse\n');
  rmSync(join(folder, 'mnt/backup'), { recursive: true });
  const setup = movedInto(folder, exampleNamed('unit setup', 'docs/systemd.md'));
  assert.match(run(setup.replace('snap init', `snap init ${CHEAP}`)), /is valid/);
  const written = readFileSync(join(folder, 'etc/snap/config.yaml'), 'utf8');
  assert.match(written, /^repository: .*\/mnt\/backup\/library$/m);
});
