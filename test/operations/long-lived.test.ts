/** A process that keeps a repository open for long, beside others that write to it and prune it: a server. */

import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { BlobId } from '../../engine/base/ids.ts';
import { MIB } from '../../engine/base/limits.ts';
import { readFileContent } from '../../engine/operations/cat.ts';
import { findEntry, listPage } from '../../engine/operations/list.ts';
import type { IndexLimits } from '../../engine/repository/chunk-index.ts';
import { Repository } from '../../engine/repository/repository.ts';
import { MemoryBackend } from '../../engine/storage/memory.ts';
import { openLocation } from '../../engine/storage/open.ts';
import { reopened } from '../support/build-repository.ts';
import { CliFixture } from '../support/cli.ts';
import { Prunable } from '../support/prunable.ts';
import { randomFor } from '../support/random.ts';

const OPEN = ['--insecure-no-password'];

/** The command line writes and prunes, in processes of its own; this process reads. */
class Beside {
  readonly cli: CliFixture;
  readonly #repositories: Repository[] = [];

  private constructor(t: TestContext) {
    this.cli = new CliFixture(t);
    t.after(() => Promise.all(this.#repositories.map((one) => one.close())));
  }

  static async make(t: TestContext): Promise<Beside> {
    const beside = new Beside(t);
    mkdirSync(beside.cli.source);
    await beside.cli.ok(['init', ...OPEN]);
    return beside;
  }

  async reader(options: { readonly indexLimits?: Partial<IndexLimits> } = {}): Promise<Repository> {
    const backend = await openLocation(this.cli.repository);
    const cacheDirectory = this.cli.cache;
    const credential = { type: 'none' } as const;
    const repository = await Repository.open({ backend, credential, cacheDirectory, keepsSnapshots: true, ...options });
    this.#repositories.push(repository);
    return repository;
  }

  path(name: string): Buffer {
    return Buffer.from(join(this.cli.source, name));
  }

  write(name: string, bytes: Buffer): void {
    writeFileSync(join(this.cli.source, name), bytes);
  }

  async backup(): Promise<string> {
    const parameters = ['backup', this.cli.source, '--workers', '1', '--max-shrink', '100', ...OPEN];
    return (await this.cli.json(parameters)).snapshot_id as string;
  }

  /** Takes a file away, and writes every pack anew that held it. */
  async pruneWithout(name: string): Promise<void> {
    rmSync(join(this.cli.source, name));
    await this.backup();
    await this.cli.ok(['forget', '--keep-last', '1', ...OPEN]);
    const { packs_removed: removed } = await this.cli.json(['prune', '--max-unused', '0%', ...OPEN]);
    assert.ok(removed > 0);
  }
}

async function collect(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(Buffer.from(piece));
  return Buffer.concat(all);
}

/** Ids of the pieces of a file. */
async function blobIdsOf(repository: Repository, path: Buffer): Promise<BlobId[]> {
  const { node } = await findEntry(repository, { snapshot: 'latest', path });
  const ids: BlobId[] = [];
  if (node === undefined) return ids;
  for await (const { blobId } of repository.blobs.content(node.content, node.size))
    if (blobId !== undefined) ids.push(blobId);
  return ids;
}

test('what another process stored since is read, with and without refresh()', async (t) => {
  const beside = await Beside.make(t);
  beside.write('first', Buffer.from('first book'));
  await beside.backup();
  const reader = await beside.reader();
  assert.equal((await listPage(reader, { snapshot: 'latest', path: beside.path('') })).total, 1);
  beside.write('second', Buffer.from('second book'));
  const id = await beside.backup();
  const page = await listPage(reader, { snapshot: 'latest', path: beside.path('') });
  assert.deepEqual([page.total, page.snapshot.id], [2, id]);
  const content = await collect(readFileContent(reader, { snapshot: id, path: beside.path('second') }));
  assert.equal(content.toString(), 'second book');
  beside.write('third', Buffer.from('third book'));
  await beside.backup();
  const before = reader.index.blobCount;
  await reader.refresh();
  assert.ok(reader.index.blobCount > before);
  const [blobId] = await blobIdsOf(reader, beside.path('third'));
  assert.equal((await reader.blobs.read('data', blobId as BlobId)).toString(), 'third book');
});

test('a blob that another process moved is found in its new place, however many ask for it at a time', async (t) => {
  const random = randomFor(t);
  const beside = await Beside.make(t);
  const book = random.bytes(3 * MIB);
  beside.write('book', book);
  for (const name of ['goes', 'goes too']) beside.write(name, random.bytes(MIB));
  await beside.backup();
  const reader = await beside.reader();
  const ids = await blobIdsOf(reader, beside.path('book'));
  assert.ok(ids.length > 1);
  const halves = [ids.slice(0, ids.length / 2), ids.slice(ids.length / 2)];
  // One right behind the other: what was learned of the first prune says nothing of the second.
  const read: Buffer[] = [];
  for (const [round, name] of ['goes', 'goes too'].entries()) {
    await beside.pruneWithout(name);
    const asked = (halves[round] ?? []).flatMap((id) => [id, id]);
    const pieces = await Promise.all(asked.map((id) => reader.blobs.read('data', id)));
    read.push(...pieces.filter((_, at) => at % 2 === 0));
  }
  assert.ok(Buffer.concat(read).equals(book));
});

test('prunes that follow each other within a moment are each noticed', async (t) => {
  const made = await Prunable.make(t, randomFor(t), new MemoryBackend());
  const rounds = [0, 1, 2, 3];
  made.write('book', 4 * MIB);
  for (const round of rounds) made.write(`goes ${round}`, 100_000);
  await made.backup();
  const reader = await reopened(made.library.repository);
  const ids = await blobIdsOf(reader, Buffer.from(join(made.library.source, 'book')));
  assert.ok(ids.length >= rounds.length);
  for (const round of rounds) {
    const [old] = await reader.snapshots.list();
    made.remove(`goes ${round}`);
    await made.backup();
    await made.forget(...(old === undefined ? [] : [old.id]));
    assert.ok((await made.prune({ maxUnused: { share: 0 } })).packsRemoved > 0);
    // From another frame each time, so that it is not in memory.
    await reader.blobs.read('data', ids[Math.floor((round * ids.length) / rounds.length)] as BlobId);
  }
});

test('a download goes on while its pieces are moved by prunes, twice', async (t) => {
  const random = randomFor(t);
  const beside = await Beside.make(t);
  // More than the reader's cache of frames holds.
  const book = random.bytes(24 * MIB);
  beside.write('book', book);
  for (const name of ['goes', 'goes too']) beside.write(name, random.bytes(3 * MIB));
  const id = await beside.backup();
  const reader = await beside.reader();
  const download = readFileContent(reader, { snapshot: id, path: beside.path('book') });
  const pieces: Buffer[] = [];
  const take = async (count: number): Promise<void> => {
    for (let taken = 0; taken < count; taken++) {
      const next = await download.next();
      if (next.done !== true) pieces.push(Buffer.from(next.value));
    }
  };
  await take(2);
  await beside.pruneWithout('goes');
  await take(2);
  await beside.pruneWithout('goes too');
  pieces.push(await collect(download));
  assert.ok(Buffer.concat(pieces).equals(book));
  // Its snapshot is gone, which is another matter than damage.
  await assert.rejects(findEntry(reader, { snapshot: id }), { code: 'SNAPSHOT_NOT_FOUND' });
});

test('the index of a reader moves to LevelDB also after blobs were looked for in new places', async (t) => {
  const random = randomFor(t);
  const beside = await Beside.make(t);
  beside.write('book', random.bytes(MIB));
  beside.write('goes', random.bytes(MIB));
  await beside.backup();
  const youngBlobs = 50;
  const reader = await beside.reader({ indexLimits: { youngBlobs } });
  const [blobId] = await blobIdsOf(reader, beside.path('book'));
  await beside.pruneWithout('goes');
  await reader.blobs.read('data', blobId as BlobId);
  for (let night = 0; night < 3; night++) {
    for (let file = 0; file < 60; file++) beside.write(`${night} ${file}`, random.bytes(100));
    await beside.backup();
    await reader.refresh();
    assert.ok(reader.index.youngBlobCount <= youngBlobs, `${reader.index.youngBlobCount} blobs are in memory`);
  }
  const content = await collect(readFileContent(reader, { snapshot: 'latest', path: beside.path('book') }));
  assert.equal(content.length, MIB);
});

test('snapshots that are kept in memory show what other processes did to them', async (t) => {
  const beside = await Beside.make(t);
  const snap = (...words: readonly string[]): Promise<unknown> => beside.cli.ok([...words, ...OPEN]);
  const reader = await beside.reader();
  const shown = async (): Promise<string[]> =>
    (await reader.snapshots.list()).map(({ id, tags, label, pinned }) =>
      [ids.indexOf(id), ...tags, label, pinned ? 'pinned' : ''].filter((word) => word !== '').join(' '),
    );
  const ids: string[] = [];
  for (const name of ['first', 'second', 'third']) {
    beside.write(name, Buffer.alloc(100_000, name));
    ids.push(await beside.backup());
    assert.equal((await shown()).length, ids.length);
  }
  const [first = '', second = '', third = ''] = ids;
  await snap('tag', '--add', 'good', '--set-label', 'night', second);
  await snap('pin', third);
  assert.deepEqual(await shown(), ['0', '1 good night', '2 pinned']);
  await snap('forget', first);
  assert.deepEqual(await shown(), ['1 good night', '2 pinned']);
  await assert.rejects(reader.snapshots.find(first), { code: 'SNAPSHOT_NOT_FOUND', message: /undelete/ });
  await snap('undelete', first);
  await snap('tag', '--remove', 'good', second);
  assert.deepEqual(await shown(), ['0', '1 night', '2 pinned']);
  await snap('forget', second);
  await snap('prune');
  assert.deepEqual(await shown(), ['0', '2 pinned']);
  await assert.rejects(reader.snapshots.find(second), (error: Error) => !error.message.includes('undelete'));
  assert.equal((await reader.snapshots.find('latest')).id, third);
});
