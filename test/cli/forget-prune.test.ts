import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CliFixture, jsonLines } from '../support/cli.ts';

test('forget --prune frees the space at once', async (t) => {
  const cli = new CliFixture(t);
  await cli.init();
  mkdirSync(cli.source);
  for (const day of ['2026-01-01', '2026-01-02']) {
    writeFileSync(join(cli.source, 'book'), randomBytes(3_000_000));
    await cli.ok(['backup', cli.source, '--time', `${day}T02:00:00Z`]);
  }
  const before = (await cli.json(['stats'])).repository_bytes;
  const planned = await cli.ok(['forget', '--keep-last', '1', '--prune', '--dry-run', '--json']);
  assert.equal(resultsOf(planned.stdout).length, 1, 'a dry run leaves nothing to prune');
  const lines = resultsOf((await cli.ok(['forget', '--keep-last', '1', '--prune', '--json'])).stdout);
  const [groups, pruned] = [lines[0], lines.at(-1)];
  assert.equal(groups[0].remove.length, 1);
  assert.ok(pruned.bytes_freed > 2_900_000, JSON.stringify(pruned));
  assert.ok((await cli.json(['stats'])).repository_bytes < before - 2_900_000);
  assert.deepEqual((await cli.json(['check', '--read-data'])).errors, []);
  assert.deepEqual(await cli.json(['undelete']), []);
});

/** Without the lines of progress, which a slow machine has time for. */
function resultsOf(stdout: string): ReturnType<typeof jsonLines> {
  return jsonLines(stdout).filter((line) => line.message_type !== 'status');
}
