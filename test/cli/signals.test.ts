import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CliFixture, type Run } from '../support/cli.ts';

const FILES = 40;
const FILE_BYTES = 2 * 1024 * 1024;

async function library(t: TestContext): Promise<CliFixture> {
  const cli = new CliFixture(t);
  mkdirSync(cli.source);
  for (let number = 0; number < FILES; number++) {
    writeFileSync(join(cli.source, `file ${number}`), randomBytes(FILE_BYTES));
  }
  await cli.init();
  return cli;
}

/** Sends a signal once `isUnderWay` says so, and tells how long the process took to end. */
async function interrupted(
  cli: CliFixture,
  parameters: readonly string[],
  { signal, isUnderWay }: { readonly signal: 'SIGINT' | 'SIGTERM'; readonly isUnderWay: () => boolean },
): Promise<Run & { readonly endedAfterMs: number }> {
  let sentMs = 0;
  const run = await cli.run(parameters, {
    onStart: (child) => {
      const timer = setInterval(() => {
        if (!isUnderWay()) return;
        clearInterval(timer);
        sentMs = performance.now();
        child.kill(signal);
      }, 10);
      child.once('exit', () => clearInterval(timer));
    },
  });
  return { ...run, endedAfterMs: performance.now() - sentMs };
}

function packsIn(cli: CliFixture): number {
  const names = readdirSync(join(cli.repository, 'packs'), { recursive: true });
  return names.filter((name) => String(name).length > 10).length;
}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`${signal} ends a backup within a second with exit code ${code}, and the next run goes on`, async (t) => {
    const cli = await library(t);
    const run = await interrupted(cli, ['backup', cli.source, '--limit-read', '20M'], {
      signal,
      isUnderWay: () => packsIn(cli) > 1,
    });
    assert.equal(run.code, code, run.stderr);
    assert.ok(run.endedAfterMs < 1500, `${run.endedAfterMs} ms`);
    assert.deepEqual(await cli.json(['snapshots']), []);
    const summary = await cli.json(['backup', cli.source]);
    assert.equal(summary.total_files_processed, FILES);
    assert.ok(summary.data_added < FILES * FILE_BYTES, 'what was stored before is not stored again');
    await cli.ok(['check', '--read-data']);
  });
}

test('SIGINT ends a restore within a second, and the same command goes on', async (t) => {
  const cli = await library(t);
  await cli.ok(['backup', cli.source]);
  const target = join(cli.folder, 'target');
  const restore = ['restore', `latest:${cli.source}`, '--target', target];
  const run = await interrupted(cli, restore, { signal: 'SIGINT', isUnderWay: () => existsSync(target) });
  if (run.code !== 0) {
    assert.equal(run.code, 130, run.stderr);
    assert.ok(run.endedAfterMs < 1500, `${run.endedAfterMs} ms`);
    await cli.ok(restore);
  }
  assert.equal(readdirSync(target).length, FILES, 'the journal is gone, all files are there');
});

test('a signal at a very large file does not wait for its end', async (t) => {
  const cli = new CliFixture(t);
  mkdirSync(cli.source);
  const file = openSync(join(cli.source, 'sparse and large'), 'w');
  for (let at = 0; at < 300; at++) writeSync(file, randomBytes(1024 * 1024));
  closeSync(file);
  await cli.init();
  const run = await interrupted(cli, ['backup', cli.source], { signal: 'SIGTERM', isUnderWay: () => packsIn(cli) > 1 });
  if (run.code !== 0) {
    assert.equal(run.code, 143, run.stderr);
    assert.ok(run.endedAfterMs < 1500, `${run.endedAfterMs} ms`);
  }
  await cli.ok(['backup', cli.source]);
  await cli.ok(['check', '--read-data']);
});
