import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { EngineError } from '../../engine/base/errors.ts';
import { MIB } from '../../engine/base/limits.ts';
import type { StreamSource } from '../../engine/operations/backup/stream-store.ts';
import { readFileContent } from '../../engine/operations/cat.ts';
import { listEntries } from '../../engine/operations/list.ts';
import { Library } from '../support/library.ts';

async function* inPieces(bytes: Buffer, pieceBytes: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    // The producer uses its memory again, as streams do.
    const piece = Buffer.from(bytes.subarray(at, at + pieceBytes));
    yield piece;
    piece.fill(0xdd);
  }
}

function source(bytes: Buffer, more: Partial<StreamSource> = {}): StreamSource {
  return { stream: inPieces(bytes, 100_000), name: Buffer.from('dump.sql'), succeeded: Promise.resolve(), ...more };
}

async function content(given: Library): Promise<Buffer> {
  await given.reopen();
  const pieces: Buffer[] = [];
  for await (const piece of readFileContent(given.repository, { snapshot: 'latest', path: Buffer.from('/dump.sql') })) {
    pieces.push(Buffer.from(piece));
  }
  return Buffer.concat(pieces);
}

function stream(given: Library, stdin: StreamSource): ReturnType<Library['backup']> {
  return given.backup({ paths: [], stdin });
}

for (const length of [0, 1, 100_000, 13 * MIB + 7]) {
  test(`a stream of ${length} bytes is one file at the root`, async (t: TestContext) => {
    const given = await Library.make(t);
    const bytes = randomBytes(length);
    const result = await stream(given, source(bytes));
    assert.deepEqual([result.counts.totalFilesProcessed, result.bytesRead], [1, length]);
    const entries: string[] = [];
    for await (const { path, node } of listEntries(given.repository, { snapshot: 'latest' })) {
      entries.push(`${path} ${node.type} ${node.size}`);
    }
    assert.deepEqual(entries, [`/dump.sql file ${length}`]);
    assert.deepEqual(await content(given), bytes);
  });
}

test('pieces of any length give the same cut points, and a changed stream stores what changed', async (t) => {
  const given = await Library.make(t);
  const bytes = randomBytes(20 * MIB);
  await stream(given, source(bytes));
  const again = await stream(given, source(bytes, { stream: inPieces(bytes, 999_983) }));
  assert.ok(again.counts.dataAdded < 10_000, `${again.counts.dataAdded}`);
  bytes[10 * MIB] = (bytes[10 * MIB] ?? 0) ^ 1;
  const changed = await stream(given, source(bytes));
  assert.ok(changed.counts.dataAdded < 5 * MIB, `${changed.counts.dataAdded}`);
  assert.deepEqual(await content(given), bytes);
});

test('trap 20: a producer that fails makes no snapshot, however good its output looked', async (t) => {
  const given = await Library.make(t);
  const failed = (): Promise<void> => {
    const promise = Promise.reject(new EngineError('COMMAND_FAILED', 'pg_dump ended with 1'));
    promise.catch(() => undefined);
    return promise;
  };
  for (const bytes of [Buffer.alloc(0), randomBytes(1000), randomBytes(9 * MIB)]) {
    await assert.rejects(stream(given, source(bytes, { succeeded: failed() })), { code: 'COMMAND_FAILED' });
  }
  async function* torn(): AsyncGenerator<Buffer> {
    yield randomBytes(1000);
    throw new EngineError('COMMAND_FAILED', 'the pipe broke');
  }
  await assert.rejects(stream(given, source(Buffer.alloc(0), { stream: torn() })), { code: 'COMMAND_FAILED' });
  assert.deepEqual(await given.repository.snapshots.list(), []);
});

test('a stream is interrupted by its signal, a bad name is refused, and no path goes with it', async (t) => {
  const given = await Library.make(t);
  const controller = new AbortController();
  async function* endless(): AsyncGenerator<Buffer> {
    for (let count = 0; ; count++) {
      if (count === 20) controller.abort();
      yield randomBytes(MIB);
    }
  }
  const stdin = source(Buffer.alloc(0), { stream: endless() });
  await assert.rejects(given.backup({ paths: [], stdin, signal: controller.signal }), { code: 'INTERRUPTED' });
  for (const name of ['', '.', '..', 'a/b', 'a\0b', 'x'.repeat(5000)]) {
    await assert.rejects(stream(given, source(Buffer.alloc(0), { name: Buffer.from(name) })), {
      code: 'INVALID_ARGUMENT',
    });
  }
  await assert.rejects(given.backup({ stdin: source(Buffer.alloc(0)) }), { code: 'INVALID_ARGUMENT' });
  assert.deepEqual(await given.repository.snapshots.list(), []);
});
