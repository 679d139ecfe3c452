/** Extreme metadata, as the command line shows it (trap 28). */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { CliFixture, jsonLines } from '../support/cli.ts';
import { makeZoo } from '../support/zoo.ts';

/** Every path below a folder, as bytes; "find" goes deeper than PATH_MAX. */
function pathsBelow(folder: string): Set<string> {
  const listing = execFileSync('find', [folder, '-mindepth', '1', '-print0'], { maxBuffer: 1 << 26 });
  return new Set(listing.toString('latin1').split('\0').filter(Boolean));
}

test('trap 28: ls and restore speak JSON of every name, time and id there is', async (t) => {
  // A file system in memory keeps any time.
  const cli = new CliFixture(t, existsSync('/dev/shm') ? '/dev/shm' : undefined);
  makeZoo(cli.source);
  // What a terminal takes for the begin of a command, in one character.
  writeFileSync(`${cli.source}/\u009b31m red \u007f`, '');
  await cli.init();
  const summary = await cli.json(['backup', cli.source]);
  assert.deepEqual(summary.problems, []);
  const { stdout } = await cli.ok(['ls', `latest:${cli.source}`, '--recursive', '--json']);
  const entries = jsonLines(stdout);
  const listed = entries.map(({ path, path_base64 }) =>
    (path_base64 === undefined ? Buffer.from(path, 'utf8') : Buffer.from(path_base64, 'base64')).toString('latin1'),
  );
  assert.deepEqual(new Set(listed), pathsBelow(cli.source));
  assert.equal(listed.length, new Set(listed).size, 'each once');
  const mtimeOf = (name: string): string => entries.find(({ path }) => path.endsWith(`/${name}`)).mtime;
  assert.equal(mtimeOf('times/-1000000000'), '1938-04-24T22:13:20.999999999Z');
  assert.equal(mtimeOf('times/-70000000000'), '-000249-10-15T19:33:20.000000005Z');
  assert.equal(mtimeOf('times/1000000000000'), '+033658-09-27T01:46:40.000000000Z');
  // For people every entry is one line, whatever its name holds.
  const table = await cli.ok(['ls', `latest:${cli.source}`, '--recursive']);
  assert.equal(table.stdout.trimEnd().split('\n').length, entries.length);
  const isControl = (letter: string): boolean => /\p{Cc}/u.test(letter) && letter !== '\n';
  assert.ok(![...table.stdout].some(isControl), 'nothing that a terminal obeys');

  const target = `${cli.folder}/out`;
  const restored = await cli.json(['restore', `latest:${cli.source}`, '--target', target, '--verify']);
  assert.deepEqual(restored.problems, []);
  const back = [...pathsBelow(target)].map((path) => path.replace(target, cli.source));
  assert.deepEqual(new Set(back), pathsBelow(cli.source));
});
