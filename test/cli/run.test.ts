import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { CHEAP_PASSWORD, CliFixture, type Json, lastJson, untilThere } from '../support/cli.ts';

const NO_KOFFI = new URL('../support/no-koffi.js', import.meta.url).href;

interface Given {
  readonly cli: CliFixture;
  readonly file: string;
  /** Writes the configuration: repository and sources, and what is given. */
  readonly configure: (more?: string) => void;
  /** A night's exit code and summary. */
  readonly night: (parameters?: readonly string[]) => Promise<{ code: number | null; summary: Json; stderr: string }>;
}

async function given(t: TestContext): Promise<Given> {
  const cli = new CliFixture(t);
  mkdirSync(cli.source);
  for (let number = 0; number < 10; number++) writeFileSync(join(cli.source, `book ${number}`), `text ${number}`);
  const file = join(cli.folder, 'config.yaml');
  const configure = (more = ''): void => {
    const base = `repository: ${cli.repository}\nsource_directories: [${cli.source}]\n`;
    writeFileSync(file, base + more, { mode: 0o600 });
  };
  configure();
  await cli.init();
  const night: Given['night'] = async (parameters = []) => {
    const { code, stdout, stderr } = await cli.run(['run', '--config', file, '--json', ...parameters]);
    return { code, summary: stdout === '' ? undefined : lastJson(stdout), stderr };
  };
  return { cli, file, configure, night };
}

function statuses(summary: Json): { [part: string]: string } {
  return Object.fromEntries(summary.parts.map(({ part, status }: Json) => [part, status]));
}

/** A health check that notes what it hears. */
async function healthCheck(t: TestContext, answer = 200): Promise<{ url: string; heard: string[] }> {
  const heard: string[] = [];
  const server = createServer((request, response) => {
    heard.push(request.url ?? '');
    response.writeHead(answer).end('OK');
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/uuid`, heard };
}

test('a night does all of it, and what is due now and then only now and then', async (t) => {
  const { cli, configure, night } = await given(t);
  const second = join(cli.folder, 'second');
  await cli.ok(['init', '-r', second, ...CHEAP_PASSWORD]);
  const { url, heard } = await healthCheck(t);
  const database = new Database(join(cli.source, 'shelf.db'));
  database.exec('CREATE TABLE book (id INTEGER PRIMARY KEY)');
  t.after(() => database.close());
  configure(
    `sqlite_databases: [${cli.source}/shelf.db]\nkeep_last: 2\ncopies: [{repository: ${second}}]\nhealthchecks: {ping_url: ${url}}\n`,
  );
  const first = await night();
  assert.equal(first.code, 0, first.stderr);
  const all = { backup: 'done', forget: 'done', prune: 'done', check: 'done', copy: 'done', rehearsal: 'done' };
  assert.deepEqual(statuses(first.summary), all);
  const [backup, , , check, copy, rehearsal] = first.summary.parts.map((part: Json) => part.summary);
  assert.equal(backup.files_new, 11);
  assert.deepEqual(backup.databases_missing, []);
  assert.equal(check.subset, '1/12');
  assert.equal(copy.copies[0].snapshots_copied, 1);
  assert.equal(rehearsal.files_restored, 11);
  assert.deepEqual(heard, ['/uuid/start', '/uuid']);
  assert.equal(JSON.parse((await cli.ok(['snapshots', '--json', '-r', second])).stdout).length, 1);
  assert.deepEqual(
    readdirSync(join(cli.cache, 'nights')).filter((name) => name.startsWith('rehearsal')),
    [],
  );

  const rare = { prune: 'not_due', check: 'not_due', rehearsal: 'not_due' };
  assert.deepEqual(statuses((await night()).summary), { ...all, ...rare });
  const third = await night();
  assert.equal(third.summary.parts[1].summary.removed, 1, 'keep_last is 2');

  // A week later, as far as the machine remembers.
  const [state = ''] = readdirSync(join(cli.cache, 'nights')).filter((name) => name.endsWith('.json'));
  const path = join(cli.cache, 'nights', state);
  const { prunedMs, checkedPart } = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(
    path,
    JSON.stringify({ prunedMs: prunedMs - 7 * 24 * 3600_000, checkedMs: 1, checkedPart, rehearsedMs: prunedMs }),
  );
  const later = await night();
  assert.deepEqual(statuses(later.summary), { ...all, rehearsal: 'not_due' });
  assert.equal(later.summary.parts[3].summary.subset, '2/12', 'the next part of the data');

  writeFileSync(path, 'not JSON');
  assert.deepEqual(statuses((await night()).summary), all, 'what was forgotten is due');
});

test('without --json one summary says it all, and --quiet only speaks of what went wrong', async (t) => {
  const { cli, file, configure } = await given(t);
  configure('keep_daily: 7\n');
  const { stdout } = await cli.ok(['run', '--config', file]);
  assert.match(stdout, /^Night of .*: all done\.$/m);
  assert.match(stdout, /^ {2}backup {5}snapshot [0-9a-f]{8}: 10 new/m);
  assert.match(stdout, /^ {2}copy {7}not due: no other repository is named$/m);
  assert.match(stdout, /^ {2}rehearsal {2}10 files .* restored and verified$/m);
  const quiet = await cli.ok(['run', '--config', file, '--quiet']);
  assert.equal(quiet.stdout + quiet.stderr, '');
});

test('a dry run prints the plan and does nothing', async (t) => {
  const { cli, file, configure } = await given(t);
  configure(`commands:\n  - before: backup\n    run: [touch, ${cli.folder}/marker]\n`);
  const { stdout } = await cli.ok(['run', '--config', file, '-n']);
  assert.match(stdout, /backup {5}every night\n {13}before it: touch/);
  assert.match(stdout, /forget {5}not due: no rule says what to keep/);
  const json = JSON.parse((await cli.ok(['run', '--config', file, '-n', '--json'])).stdout);
  assert.deepEqual(json.parts.map(({ part, due }: Json) => [part, due])[0], ['backup', true]);
  assert.equal(existsSync(join(cli.folder, 'marker')), false);
  assert.equal(existsSync(join(cli.cache, 'nights')), false);
  assert.deepEqual(JSON.parse((await cli.ok(['snapshots', '--json'])).stdout), []);
});

test('a night without a configuration, or without sources, is a wrong one', async (t) => {
  const { cli, file } = await given(t);
  const none = await cli.run(['run']);
  assert.equal(none.code, 2);
  assert.match(none.stderr, /needs a configuration file.*snap config generate/);
  writeFileSync(file, `repository: ${cli.repository}\n`);
  const empty = await cli.run(['run', '--config', file]);
  assert.equal(empty.code, 2);
  assert.match(empty.stderr, /source_directories/);
});

test('a part that fails does not keep back the others, and its code is the night’s', async (t) => {
  const { cli, configure, night } = await given(t);
  const { url, heard } = await healthCheck(t);
  const second = join(cli.folder, 'second');
  await cli.ok(['init', '-r', second, ...CHEAP_PASSWORD]);
  configure(
    `keep_last: 3\ncopies: [{repository: ${cli.folder}/nowhere}, {repository: ${second}}]\nhealthchecks: {ping_url: ${url}}\n`,
  );
  const { code, summary } = await night();
  assert.equal(code, 10);
  assert.equal(summary.exit_code, 10);
  const { copy, ...others } = statuses(summary);
  assert.equal(copy, 'failed');
  assert.ok(Object.values(others).every((status) => status === 'done'));
  const [bad, good] = summary.parts[4].summary.copies;
  assert.equal(bad.error.code, 'REPOSITORY_NOT_FOUND');
  assert.equal(good.snapshots_copied, 1, 'the other repository has it all the same');
  assert.deepEqual(heard, ['/uuid/start', '/uuid/fail']);
});

test('when the backup fails nothing is forgotten or removed, and the repository is checked all the same', async (t) => {
  const { cli, configure, night } = await given(t);
  configure('keep_last: 1\n');
  assert.equal((await night()).code, 0);
  rmSync(join(cli.cache, 'nights'), { recursive: true });
  rmSync(cli.source, { recursive: true });
  const { code, summary, stderr } = await night();
  assert.equal(code, 1, stderr);
  assert.deepEqual(statuses(summary), {
    backup: 'failed',
    forget: 'skipped',
    prune: 'skipped',
    check: 'done',
    copy: 'not_due',
    rehearsal: 'skipped',
  });
  assert.match(summary.parts[1].why, /nothing is forgotten/);
});

test('a suspect snapshot is said so plainly, forget runs, and pushes no good one out', async (t) => {
  const { cli, file, configure, night } = await given(t);
  const { url, heard } = await healthCheck(t);
  configure(`keep_last: 1\nhealthchecks: {ping_url: ${url}}\n`);
  assert.equal((await night()).code, 0);
  for (let number = 1; number < 10; number++) rmSync(join(cli.source, `book ${number}`));
  const { code, summary } = await night();
  assert.equal(code, 3);
  assert.equal(summary.suspect, true);
  assert.equal(statuses(summary)['backup'], 'suspect');
  assert.equal(statuses(summary)['forget'], 'done');
  assert.equal(heard.at(-1), '/uuid/fail');
  const kept = JSON.parse((await cli.ok(['snapshots', '--json'])).stdout) as Json[];
  assert.deepEqual(
    kept.map(({ suspect }) => suspect),
    [false, true],
  );
  const words = await cli.run(['run', '--config', file]);
  assert.match(words.stdout, /the snapshot is suspect \(exit code 3\)/);
  assert.match(words.stdout, /SUSPECT: .*snap tag --trust/);
});

test('files that cannot be read make it 3, and the health check hears of success', async (t) => {
  const { cli, configure, night } = await given(t);
  const { url, heard } = await healthCheck(t);
  configure(`sqlite_databases: [${cli.source}/gone.db]\nhealthchecks: {ping_url: ${url}}\n`);
  const { code, summary } = await night();
  assert.equal(code, 3, 'a database that was named was not captured');
  assert.deepEqual(summary.parts[0].summary.databases_missing, [join(cli.source, 'gone.db')]);
  assert.deepEqual(heard, ['/uuid/start', '/uuid']);
});

test('damage that the check finds is 20', async (t) => {
  const { cli, configure, night } = await given(t);
  configure('check_every: 1s\ncheck_parts: 1\n');
  assert.equal((await night()).code, 0);
  const [pack = ''] = readdirSync(join(cli.repository, 'packs'), { recursive: true })
    .map((name) => join(cli.repository, 'packs', String(name)))
    .filter((name) => /[0-9a-f]{32}$/.test(name));
  const bytes = readFileSync(pack);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  rmSync(pack);
  writeFileSync(pack, bytes);
  await sleep(1000);
  const { code, summary } = await night();
  assert.equal(code, 20);
  assert.equal(statuses(summary)['check'], 'damage');
});

test('a health check that fails or is not there never fails the night', async (t) => {
  const { configure, night } = await given(t);
  const { url, heard } = await healthCheck(t, 500);
  configure(`healthchecks: {ping_url: ${url}, retries: 1}\n`);
  const refused = await night();
  assert.equal(refused.code, 0, refused.stderr);
  assert.deepEqual(heard, ['/uuid/start', '/uuid/start', '/uuid', '/uuid'], 'tried again');
  assert.deepEqual(
    refused.summary.pings.map(({ heard: was }: Json) => was),
    [false, false],
  );
  assert.match(refused.summary.notes[0], /did not hear of "start": the answer was 500/);
  configure('healthchecks: {ping_url: "http://127.0.0.1:9/uuid?create=1", retries: 0, timeout: 1s}\n');
  assert.equal((await night()).code, 0);
});

for (const [machine, options] of [
  ['', []],
  [', also where the C library cannot be called', ['--import', NO_KOFFI]],
] as const) {
  test(`two nights of a repository never overlap, and a killed one holds nobody up${machine}`, async (t) => {
    const { cli, file, configure, night } = await given(t);
    const env = { NODE_OPTIONS: options.join(' ') };
    const marker = join(cli.folder, 'begun');
    configure(`commands:\n  - before: run\n    run: [sh, -c, "touch ${marker}; exec sleep 8"]\n`);
    const child = cli.spawn(['run', '--config', file], { env });
    const ended = new Promise<void>((done) => child.once('close', () => done()));
    child.stderr?.destroy();
    await untilThere(marker);
    const link = join(cli.folder, 'another name');
    symlinkSync(cli.repository, link);
    for (const name of [cli.repository, link]) {
      const second = await cli.run(['run', '--config', file], { env: { ...env, SNAP_REPOSITORY: name } });
      assert.equal(second.code, 11);
      assert.match(second.stderr, /Another night of .* is under way on this machine \(process /);
    }
    await cli.ok(['snapshots']);
    child.kill('SIGKILL');
    await ended;
    configure();
    assert.equal((await cli.run(['run', '--config', file], { env })).code, 0);
    assert.equal((await night()).code, 0);
  });
}

test('what a night that was killed left in its scratch folder is gone after the next one', async (t) => {
  const { cli, night } = await given(t);
  await night();
  const nights = join(cli.cache, 'nights');
  const [lock = ''] = readdirSync(nights).filter((name) => name.endsWith('.lock'));
  const left = join(nights, `rehearsal-${lock.replace('.lock', '')}-abc123`);
  const other = join(nights, 'rehearsal-of-another-repository');
  for (const folder of [left, other]) {
    mkdirSync(folder);
    writeFileSync(join(folder, 'secret'), 'what nobody encrypts here');
  }
  const { summary } = await night();
  assert.equal(statuses(summary)['rehearsal'], 'not_due');
  assert.deepEqual([existsSync(left), existsSync(other)], [false, true]);
});

test('a password command that fails, or a wrong password, ends the night with its code and runs what comes after', async (t) => {
  const { cli, file, configure, night } = await given(t);
  const { url, heard } = await healthCheck(t);
  configure(`commands:\n  - after: run\n    run: [touch, ${cli.folder}/after]\nhealthchecks: {ping_url: ${url}}\n`);
  const env = { SNAP_PASSWORD: 'wrong' };
  const { code, stdout } = await cli.run(['run', '--config', file, '--json'], { env });
  assert.equal(code, 12);
  const summary = lastJson(stdout);
  assert.equal(summary.error.code, 'PASSWORD_WRONG');
  assert.equal(statuses(summary)['backup'], 'skipped');
  assert.ok(existsSync(join(cli.folder, 'after')));
  assert.deepEqual(heard, ['/uuid/start', '/uuid/fail']);
  assert.equal((await night()).code, 0);
});

test('with priority idle all threads step back, and what commands start does not', async (t) => {
  if (process.platform !== 'linux') return t.skip('threads are listed by Linux');
  const { cli, configure, night } = await given(t);
  const seen = join(cli.folder, 'seen');
  const script = `cat /proc/$PPID/task/*/stat | sed 's/.*) //' | cut -d' ' -f17 > ${seen}; cut -d' ' -f19 /proc/self/stat > ${seen}.own; ionice -p $PPID > ${seen}.disk 2>/dev/null || true`;
  configure(`priority: idle\ncommands:\n  - before: backup\n    run: ${JSON.stringify(script)}\n    shell: true\n`);
  const { code, stderr } = await night();
  assert.equal(code, 0, stderr);
  const nices = readFileSync(seen, 'utf8').trimEnd().split('\n').map(Number);
  const own = Number(readFileSync(`${seen}.own`, 'utf8'));
  assert.equal(nices.filter((nice) => nice !== 19).length, 1, `${nices}`);
  assert.ok(own < 19);
  const disk = readFileSync(`${seen}.disk`, 'utf8');
  assert.ok(disk === '' || disk.startsWith('idle'), disk);
  configure(`commands:\n  - before: backup\n    run: ${JSON.stringify(script)}\n    shell: true\n`);
  await night();
  assert.doesNotMatch(readFileSync(seen, 'utf8'), /^19$/m);
  await night(['--priority', 'idle']);
  assert.match(readFileSync(seen, 'utf8'), /^19$/m);
});
