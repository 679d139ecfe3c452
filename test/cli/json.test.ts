import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CliFixture, jsonLines, lastJson } from '../support/cli.ts';

async function library(t: TestContext): Promise<CliFixture> {
  const cli = new CliFixture(t);
  mkdirSync(join(cli.source, 'Author'), { recursive: true });
  writeFileSync(join(cli.source, 'Author', 'book.txt'), 'Call me Ishmael. '.repeat(1000));
  writeFileSync(join(cli.source, 'Author', 'empty'), '');
  writeFileSync(Buffer.concat([Buffer.from(`${cli.source}/latin-`), Buffer.from([0xe9])]), 'not UTF-8');
  symlinkSync('Author/book.txt', join(cli.source, 'link'));
  await cli.init();
  return cli;
}

function assertKeys(object: object, keys: readonly string[]): void {
  for (const key of keys) assert.ok(key in object, `${key} is missing in ${Object.keys(object).join(', ')}`);
}

const BACKUP_KEYS = [
  'message_type snapshot_id parent files_new files_changed files_unmodified files_deleted files_moved dirs_new',
  'dirs_changed dirs_unmodified total_files_processed total_bytes_processed data_added data_added_packed databases',
  'problems backup_start backup_end total_duration',
].flatMap((line) => line.split(' '));

test('backup, snapshots, ls, restore, check, stats and key speak the JSON that scripts know', async (t) => {
  const cli = await library(t);
  const first = await cli.json(['backup', cli.source, '--tag', 'one', '--tag', 'two', '--label', 'books']);
  assertKeys(first, BACKUP_KEYS);
  assert.equal(first.message_type, 'summary');
  assert.equal(first.files_new, 4);
  assert.equal(first.parent, null);
  writeFileSync(join(cli.source, 'new'), 'new');
  const second = await cli.json(['backup', cli.source]);
  assert.equal(second.parent, first.snapshot_id);
  assert.equal(second.files_new, 1);

  const snapshots = await cli.json(['snapshots']);
  assert.deepEqual(
    snapshots.map(({ id }: { id: string }) => id),
    [first.snapshot_id, second.snapshot_id],
  );
  assertKeys(
    snapshots[0],
    'id short_id time host label tags paths parent tree pinned suspect databases summary'.split(' '),
  );
  assert.deepEqual(snapshots[0].tags, ['one', 'two']);
  assert.deepEqual(snapshots[0].paths, [cli.source]);
  assertKeys(snapshots[0].summary, ['files_new', 'data_added']);

  const { stdout } = await cli.ok(['ls', `latest:${cli.source}`, '--recursive', '--json']);
  const entries = jsonLines(stdout);
  const book = entries.find(({ path }) => path === `${cli.source}/Author/book.txt`);
  assertKeys(book, 'path type size mode uid gid mtime ctime inode links'.split(' '));
  assert.equal(book.type, 'file');
  assert.equal(book.size, 17_000);
  assert.match(book.mtime, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
  assert.equal(entries.find(({ type }) => type === 'symlink').linktarget, 'Author/book.txt');
  const strange = entries.find(({ path_base64 }) => path_base64 !== undefined);
  assert.deepEqual(
    Buffer.from(strange.path_base64, 'base64'),
    Buffer.concat([Buffer.from(`${cli.source}/latin-`), Buffer.from([0xe9])]),
  );

  const restored = await cli.json(['restore', 'latest', '--target', join(cli.folder, 'out')]);
  assertKeys(
    restored,
    'files_restored files_skipped files_deleted bytes_restored bytes_reused bytes_skipped databases problems total_duration'.split(
      ' ',
    ),
  );
  assert.equal(restored.files_restored, 5);

  const checked = await cli.json(['check', '--read-data']);
  assertKeys(checked, ['packs_checked', 'blobs_checked', 'bytes_read', 'errors']);
  assert.deepEqual(checked.errors, []);

  const sizes = await cli.json(['stats']);
  assertKeys(
    sizes,
    'snapshots total_file_count restore_size unique_size stored_size compression_ratio dedup_ratio repository_bytes'.split(
      ' ',
    ),
  );
  assert.equal(sizes.snapshots, 2);
  assert.equal(sizes.total_file_count, 9);

  const keys = await cli.json(['key', 'list']);
  assert.equal(keys.length, 1);
  assert.equal(keys[0].current, true);
});

test('status lines tell how far a long run is', async (t) => {
  const cli = await library(t);
  writeFileSync(join(cli.source, 'large'), Buffer.alloc(40 * 1024 * 1024, 'large'));
  const { stdout } = await cli.ok(['backup', cli.source, '--json', '--limit-read', '20M']);
  const lines = jsonLines(stdout);
  const status = lines.find(({ message_type }) => message_type === 'status');
  assertKeys(status, 'percent_done files_done bytes_done seconds_elapsed error_count current_files'.split(' '));
  assert.equal(lines.at(-1).message_type, 'summary');
});

test('a problem is a line of its own, and in the summary', async (t) => {
  const cli = await library(t);
  const run = await cli.run(['backup', cli.source, '/nowhere', '--json']);
  assert.equal(run.code, 3);
  const problem = jsonLines(run.stdout).find(({ message_type }) => message_type === 'error');
  assert.equal(problem.item, '/nowhere');
  assertKeys(lastJson(run.stdout).problems[0], ['path', 'during', 'code', 'message']);
});

test('what ends a run is one line on standard error', async (t) => {
  const cli = await library(t);
  const run = await cli.run(['ls', 'latest', '--json'], { env: { SNAP_PASSWORD: 'wrong' } });
  assert.equal(run.stdout, '');
  assert.deepEqual(
    { ...lastJson(run.stderr), message: '' },
    { message_type: 'exit_error', code: 12, error_code: 'PASSWORD_WRONG', message: '' },
  );
});

test('snapshots are filtered and grouped', async (t) => {
  const cli = await library(t);
  await cli.ok(['backup', cli.source, '--tag', 'a', '--host', 'one']);
  await cli.ok(['backup', cli.source, '--tag', 'a', '--tag', 'b', '--host', 'two']);
  await cli.ok(['backup', join(cli.source, 'Author'), '--label', 'author'], { env: { SNAP_HOST: 'three' } });
  const count = async (...filter: string[]): Promise<number> => (await cli.json(['snapshots', ...filter])).length;
  assert.equal(await count('--tag', 'a'), 2);
  assert.equal(await count('--tag', 'a', '--tag', 'b'), 1);
  assert.equal(await count('--host', 'three'), 1);
  assert.equal(await count('--label', 'author'), 1);
  assert.equal(await count('--path', cli.source), 2);
  assert.equal(await count('--tag', 'none'), 0);
  const groups = await cli.json(['snapshots', '--group-by', 'paths']);
  assert.deepEqual(
    groups.map(({ snapshots }: { snapshots: unknown[] }) => snapshots.length),
    [2, 1],
  );
});
