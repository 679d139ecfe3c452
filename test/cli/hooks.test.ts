import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CliFixture, type Json, lastJson, type Run, untilThere } from '../support/cli.ts';

interface Given {
  readonly cli: CliFixture;
  readonly file: string;
  readonly configure: (commands: readonly object[], more?: string) => void;
  /** What commands wrote down, a line each. */
  readonly log: () => string[];
  /** A shell command that notes a word. */
  readonly note: (word: string) => { readonly run: string; readonly shell: true };
}

async function given(t: TestContext): Promise<Given> {
  const cli = new CliFixture(t);
  mkdirSync(cli.source);
  writeFileSync(join(cli.source, 'book'), randomBytes(1024));
  await cli.init();
  const file = join(cli.folder, 'config.yaml');
  const notes = join(cli.folder, 'notes');
  return {
    cli,
    file,
    configure: (commands, more = '') => {
      const base = `repository: ${cli.repository}\nsource_directories: [${cli.source}]\n${more}`;
      // JSON is YAML.
      writeFileSync(file, `${base}commands: ${JSON.stringify(commands)}\n`, { mode: 0o600 });
    },
    log: () => (existsSync(notes) ? readFileSync(notes, 'utf8').trimEnd().split('\n') : []),
    note: (word) => ({ run: `echo ${word} $SNAP_OUTCOME >> ${notes}`, shell: true }),
  };
}

function snapshotsOf(cli: CliFixture): Promise<Json[]> {
  return cli.ok(['snapshots', '--json']).then(({ stdout }) => JSON.parse(stdout) as Json[]);
}

test('commands run in order around their parts, and see what came of it', async (t) => {
  const { cli, file, configure, log, note } = await given(t);
  configure([
    { before: 'run', ...note('before-run') },
    { after: 'run', ...note('after-run') },
    { before: 'backup', ...note('before-backup') },
    { after: 'backup', ...note('after-backup') },
    { after: 'backup', when: 'failure', ...note('never') },
    { after: 'backup', when: 'success', ...note('only-success') },
    { before: 'copy', ...note('not-due-and-so-never') },
  ]);
  await cli.ok(['run', '--config', file]);
  assert.deepEqual(log(), [
    'before-run',
    'before-backup',
    'after-backup success',
    'only-success success',
    'after-run success',
  ]);
});

test('arguments reach a program as they are: no shell comes into it', async (t) => {
  const { cli, file, configure } = await given(t);
  const odd = join(cli.folder, 'a $HOME; b "c" *');
  configure([{ before: 'backup', run: ['touch', odd] }]);
  await cli.ok(['run', '--config', file]);
  assert.ok(existsSync(odd));
});

test('a command before the backup that fails stops it, and what comes after runs all the same', async (t) => {
  const { cli, file, configure, log, note } = await given(t);
  configure([
    { before: 'backup', ...note('stopped-the-server') },
    { before: 'backup', run: ['sh', '-c', 'exit 7'] },
    { before: 'backup', ...note('never') },
    { after: 'backup', ...note('started-the-server') },
    { after: 'backup', when: 'success', ...note('never') },
    { after: 'backup', when: 'failure', ...note('told-somebody') },
  ]);
  const run = await cli.run(['run', '--config', file, '--json']);
  assert.equal(run.code, 1, run.stderr);
  const expected = ['stopped-the-server', 'started-the-server failure', 'told-somebody failure'];
  assert.deepEqual(log(), expected);
  const summary = lastJson(run.stdout);
  assert.equal(summary.parts[0].status, 'failed');
  assert.match(summary.parts[0].error.message, /sh -c exit 7\) ended with exit code 7: backup did not run/);
  assert.equal(summary.commands[1].exit_code, 7);
  assert.deepEqual(await snapshotsOf(cli), []);

  const backup = await cli.run(['backup', '--config', file]);
  assert.equal(backup.code, 1, 'the same for a backup of its own');
  assert.deepEqual(log(), [...expected, ...expected]);
  assert.deepEqual(await snapshotsOf(cli), []);
  await cli.ok(['backup', '--config', file, cli.source]);
  assert.deepEqual(log().length, 6, 'commands are for the sources of the file');
});

test('a failure that may be passed over is reported, and the night goes on with 3', async (t) => {
  const { cli, file, configure } = await given(t);
  configure([
    { before: 'backup', run: ['false'], on_failure: 'continue' },
    { before: 'backup', run: ['/there/is/no/such/program'], on_failure: 'continue' },
  ]);
  const run = await cli.run(['run', '--config', file, '--json']);
  assert.equal(run.code, 3);
  const { commands, notes, parts } = lastJson(run.stdout);
  assert.deepEqual(
    commands.map(({ status }: Json) => status),
    ['failed', 'failed'],
  );
  assert.match(notes[1], /cannot be run: .*ENOENT/);
  assert.equal(parts[0].status, 'done');
});

test('a server that does not start again makes a good night a failed one', async (t) => {
  const { cli, file, configure, log, note } = await given(t);
  configure([
    { after: 'backup', run: ['false'] },
    { after: 'backup', ...note('the-others-run') },
  ]);
  for (const parameters of [['run'], ['backup']]) {
    const run = await cli.run([...parameters, '--config', file]);
    assert.equal(run.code, 1, run.stderr);
    assert.match(run.stderr, /The command after backup \(false\) ended with exit code 1/);
  }
  assert.equal((await snapshotsOf(cli)).length, 2, 'the snapshots are there');
  assert.equal(log().length, 2);
});

test('after-commands run after a backup that fails', async (t) => {
  const { cli, file, configure, log, note } = await given(t);
  configure([{ after: 'backup', ...note('started') }], 'strict: true\nmax_shrink: 0\n');
  await cli.ok(['backup', '--config', file]);
  writeFileSync(join(cli.source, 'book'), 'less');
  for (const verb of ['backup', 'run']) assert.equal((await cli.run([verb, '--config', file])).code, 1);
  assert.deepEqual(log(), ['started success', 'started failure', 'started failure']);
});

function isAlive(pid: number): boolean {
  try {
    // A dead process that nobody has waited for is dead.
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

test('a command past its time is ended with its process group, by force if it must be', async (t) => {
  const { cli, file, configure } = await given(t);
  const pids = join(cli.folder, 'pids');
  configure([
    {
      before: 'backup',
      run: `trap '' TERM; sleep 61 & echo $! $$ > ${pids}; wait; sleep 62`,
      shell: true,
      timeout: '1s',
      on_failure: 'continue',
    },
    { before: 'backup', run: `sleep 63 & echo $! > ${pids}.mild; wait`, shell: true, timeout: '1s' },
  ]);
  const run = await cli.run(['run', '--config', file, '--json']);
  assert.equal(run.code, 1);
  const { commands } = lastJson(run.stdout);
  assert.deepEqual(
    commands.map(({ status }: Json) => status),
    ['timeout', 'timeout'],
  );
  assert.match(commands[0].message, /did not end within 1 s and was ended/);
  assert.ok(run.durationMs < 30_000, `${run.durationMs} ms`);
  const all = `${readFileSync(pids, 'utf8')} ${readFileSync(`${pids}.mild`, 'utf8')}`.trim().split(/\s+/).map(Number);
  assert.equal(all.length, 3);
  for (const pid of all) assert.equal(isAlive(pid), false, `process ${pid} is gone`);
});

test('what a command leaves running, such as a server, is not waited for and lives on', async (t) => {
  const { cli, file, configure } = await given(t);
  const pid = join(cli.folder, 'pid');
  configure([{ after: 'backup', run: `sleep 30 & echo $! > ${pid}`, shell: true }]);
  const run = await cli.run(['run', '--config', file], { onStart: closeErrors });
  assert.ok(run.durationMs < 20_000);
  const server = Number(readFileSync(pid, 'utf8'));
  assert.ok(isAlive(server));
  process.kill(server);
});

/** The server keeps standard error open; the test does not wait for its end. */
function closeErrors(child: ChildProcess): void {
  child.once('exit', () => child.stderr?.destroy());
}

test('commands do not see the password', async (t) => {
  const { cli, file, configure } = await given(t);
  const seen = join(cli.folder, 'seen');
  configure([{ before: 'run', run: `env > ${seen}`, shell: true }]);
  await cli.ok(['run', '--config', file]);
  const environment = readFileSync(seen, 'utf8');
  assert.match(environment, /^SNAP_HOOK=before run$/m);
  assert.doesNotMatch(environment, /SNAP_PASSWORD/);
});

/** Sends signals once a file is there, some time apart. */
async function signalled(
  cli: CliFixture,
  parameters: readonly string[],
  { at, signals }: { readonly at: string; readonly signals: readonly NodeJS.Signals[] },
): Promise<Run> {
  return cli.run(parameters, {
    onStart: async (child) => {
      await untilThere(at);
      await sleep(400);
      for (const signal of signals) {
        child.kill(signal);
        await sleep(200);
      }
    },
  });
}

for (const verb of ['run', 'backup']) {
  for (const [signals, code] of [
    [['SIGINT'], 130],
    [['SIGTERM'], 143],
    [['SIGINT', 'SIGINT'], 130],
    [['SIGHUP'], 143],
  ] as const) {
    test(`${signals.join(', ')} in a ${verb}: the server is started again, exit code ${code}`, async (t) => {
      const { cli, file, configure, log, note } = await given(t);
      writeFileSync(join(cli.source, 'large'), randomBytes(40 * 1024 * 1024));
      const marker = join(cli.folder, 'marker');
      configure(
        [
          { before: 'backup', run: ['touch', marker] },
          { after: 'backup', run: `sleep 1.5; ${note('started').run}`, shell: true },
          { after: 'run', ...note('over') },
        ],
        'limit_read: 2M\n',
      );
      const run = await signalled(cli, [verb, '--config', file], { at: marker, signals });
      assert.equal(run.code, code, run.stderr);
      assert.deepEqual(log(), verb === 'run' ? ['started failure', 'over failure'] : ['started failure']);
      assert.deepEqual(await snapshotsOf(cli), []);
      if (signals.length > 1) assert.match(run.stderr, /are waited for\. Once more ends at once/);
    });
  }
}

/** Of a night whose last command takes its time, under a signal that ends the first command. */
async function slowNight(t: TestContext): Promise<Given & { readonly marker: string }> {
  const night = await given(t);
  const marker = join(night.cli.folder, 'marker');
  night.configure([
    { before: 'backup', run: `touch ${marker}; sleep 64`, shell: true },
    { after: 'backup', ...night.note('started') },
    { after: 'run', run: `${night.note('waits').run}; sleep 3; ${night.note('goes-on').run}`, shell: true },
  ]);
  return { ...night, marker };
}

test('a signal ends a command that runs before the backup; those that must run after it are waited for', async (t) => {
  const { cli, file, log, marker } = await slowNight(t);
  const run = await signalled(cli, ['run', '--config', file, '--json'], { at: marker, signals: ['SIGINT'] });
  assert.equal(run.code, 130);
  assert.deepEqual(log(), ['started failure', 'waits failure', 'goes-on failure']);
  const { parts, interrupted } = lastJson(run.stdout);
  assert.equal(interrupted, true);
  assert.deepEqual(
    parts.map(({ status }: Json) => status),
    ['interrupted', 'not_due', 'skipped', 'skipped', 'not_due', 'skipped'],
  );
});

test('the third signal ends snap at once, and leaves a command that runs to itself', async (t) => {
  const { cli, file, log, marker } = await slowNight(t);
  const until = async (isSo: () => boolean): Promise<void> => {
    for (let waitedMs = 0; !isSo(); waitedMs += 20) {
      assert.ok(waitedMs < 60_000, log().join(', '));
      await sleep(20);
    }
  };
  let atExit: string[] = [];
  const run = await cli.run(['run', '--config', file], {
    onStart: async (child) => {
      let errors = '';
      child.stderr?.on('data', (text: string) => {
        errors += text;
      });
      child.once('exit', () => {
        atExit = log();
      });
      await untilThere(marker);
      child.kill('SIGINT');
      await until(() => log().includes('waits failure'));
      child.kill('SIGINT');
      await until(() => errors.includes('Once more ends at once'));
      child.kill('SIGINT');
    },
  });
  assert.equal(run.code, 130);
  assert.deepEqual(atExit, ['started failure', 'waits failure']);
  await until(() => log().includes('goes-on failure'));
});
