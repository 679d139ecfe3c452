/** A person at a terminal: a real one, by script(1). */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CHEAP_PASSWORD, CliFixture, PROGRAM } from '../support/cli.ts';

const SCRIPT = '/usr/bin/script';
const skip = existsSync(SCRIPT) ? false : 'script(1) is not installed';

/** Runs snap on a terminal; `answers` are typed when their questions appear. Returns all that the terminal showed. */
async function atTerminal(
  cli: CliFixture,
  parameters: readonly string[],
  options: { readonly answers?: readonly (readonly [RegExp, string])[]; readonly password?: string } = {},
): Promise<{ readonly code: number; readonly shown: string }> {
  const words = [process.execPath, PROGRAM, ...parameters].map((word) => `'${word}'`).join(' ');
  const env = {
    PATH: process.env['PATH'],
    TERM: 'xterm',
    SNAP_REPOSITORY: cli.repository,
    SNAP_CACHE_DIR: cli.cache,
    ...(options.password === undefined ? {} : { SNAP_PASSWORD: options.password }),
  };
  const child = spawn(SCRIPT, ['-qec', words, '/dev/null'], { env, stdio: 'pipe' });
  const answers = [...(options.answers ?? [])];
  let shown = '';
  let read = 0;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
    const [question, answer] = answers[0] ?? [];
    if (question === undefined || !question.test(shown.slice(read))) return;
    answers.shift();
    read = shown.length;
    child.stdin.write(`${answer}\r`);
  });
  const [code] = (await once(child, 'close')) as [number];
  child.stdin.destroy();
  assert.deepEqual(answers, [], `not all questions were asked: ${shown}`);
  return { code, shown };
}

test('restore --delete asks before it removes more than half, and takes anything but a yes for a no', {
  skip,
}, async (t) => {
  const cli = new CliFixture(t);
  await cli.init();
  mkdirSync(cli.source);
  writeFileSync(join(cli.source, 'book'), 'kept');
  await cli.ok(['backup', cli.source]);
  for (let number = 0; number < 5; number++) writeFileSync(join(cli.source, `new ${number}`), 'x');
  const restore = ['restore', 'latest', '--in-place', '--delete'];
  const password = 'correct horse';
  for (const answer of ['n', '', 'yeah']) {
    const refused = await atTerminal(cli, restore, {
      answers: [[/5 of 6 files[^?]*Go on\? \[y\/N\] /, answer]],
      password,
    });
    assert.equal(refused.code, 21, refused.shown);
    assert.equal(existsSync(join(cli.source, 'new 0')), true);
  }
  const done = await atTerminal(cli, restore, { answers: [[/Go on\? \[y\/N\] /, 'y']], password });
  assert.equal(done.code, 0, done.shown);
  assert.equal(existsSync(join(cli.source, 'new 0')), false);
});

test('a new password is asked for twice and never shown; one that differs makes nothing', { skip }, async (t) => {
  const cli = new CliFixture(t);
  const init = ['init', ...CHEAP_PASSWORD];
  const differing = await atTerminal(cli, init, {
    answers: [
      [/New password: /, 'one thing'],
      [/Once more: /, 'another'],
    ],
  });
  assert.equal(differing.code, 12);
  assert.match(differing.shown, /The two passwords differ/);
  assert.ok(!existsSync(join(cli.repository, 'config')));
  const made = await atTerminal(cli, init, {
    answers: [
      [/New password: /, 'pass wörd'],
      [/Once more: /, 'pass wörd'],
    ],
  });
  assert.equal(made.code, 0, made.shown);
  await cli.ok(['snapshots'], { env: { SNAP_PASSWORD: 'pass wörd' } });
  const opened = await atTerminal(cli, ['key', 'list'], { answers: [[/Password: /, 'pass wörd']] });
  assert.equal(opened.code, 0, opened.shown);
  const wrong = await atTerminal(cli, ['key', 'list'], { answers: [[/Password: /, 'pass word']] });
  assert.equal(wrong.code, 12);
  for (const { shown } of [differing, made, opened, wrong]) assert.ok(!/one thing|another|pass w/.test(shown), shown);
});

test('progress on a terminal: share, files, bytes, rate, what is new, time left, and the current file', {
  skip,
}, async (t) => {
  const cli = new CliFixture(t);
  await cli.init();
  mkdirSync(cli.source);
  for (let file = 0; file < 12; file++) writeFileSync(join(cli.source, `book ${file}`), randomBytes(3_000_000));
  const password = 'correct horse';
  const { code, shown } = await atTerminal(cli, ['backup', cli.source, '--limit-read', '18M'], { password });
  assert.equal(code, 0, shown);
  assert.match(shown, /\d+\.\d % {2}\d+ files, [\d.]+ MiB {2}[\d.]+ MiB\/s {2}[\d.]+ (KiB|MiB) new {2}[\d.]+ s left/);
  assert.match(shown, /source\/book \d/);
  const quiet = await atTerminal(cli, ['backup', cli.source, '--quiet', '--force'], { password });
  assert.equal(quiet.shown, '');
});

test('one large file is followed while it is read', { skip }, async (t) => {
  const cli = new CliFixture(t);
  await cli.init();
  mkdirSync(cli.source);
  writeFileSync(join(cli.source, 'large'), randomBytes(60_000_000));
  const password = 'correct horse';
  const { shown } = await atTerminal(cli, ['backup', cli.source, '--limit-read', '20M'], { password });
  const shares = new Set([...shown.matchAll(/(\d+\.\d) %/g)].map(([, share]) => Number(share)));
  assert.ok([...shares].filter((share) => share > 5 && share < 95).length >= 2, [...shares].join(', '));
});
