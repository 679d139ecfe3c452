import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { CHUNK_ROWS_BYTES_MAX, CHUNK_SMALL_BYTES_MAX, KIB, MIB } from '../../engine/base/limits.ts';
import { ROWS_CLASS } from '../../engine/codec/file-class.ts';
import { expandGearTable } from '../../engine/codec/gear.ts';
import { StreamCutter } from '../../engine/repository/stream-cutter.ts';

const GEAR = expandGearTable(Buffer.alloc(32, 7));

async function cut(bytes: Buffer, pieceBytes = 100_000, gearTable = GEAR): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  const cutter = new StreamCutter({
    gearTable,
    save: (chunk) => {
      chunks.push(Buffer.from(chunk));
      return createHash('sha256').update(chunk).digest().subarray(0, 16) as never;
    },
    settle: async () => undefined,
    checksums: false,
  });
  cutter.begin(Buffer.from('dump'), MIB, { fileClass: ROWS_CLASS, onEntry: () => undefined });
  for (let at = 0; at < bytes.length; at += pieceBytes) await cutter.add(bytes.subarray(at, at + pieceBytes));
  await cutter.finish();
  assert.deepEqual(Buffer.concat(chunks), bytes);
  return chunks;
}

function rows(count: number, length: number): string[] {
  return Array.from({ length: count }, (_, row) => {
    const text = createHash('sha512').update(`${row}`).digest('hex');
    return `${row}\t${text.repeat(Math.ceil(length / text.length)).slice(0, length)}\n`;
  });
}

const whole = (lines: readonly string[]): Buffer => Buffer.from(lines.join(''), 'latin1');

test('a piece ends where a row ends, wherever the stream was cut into pieces', async () => {
  const bytes = whole(rows(100_000, 90));
  const chunks = await cut(bytes);
  assert.ok(chunks.every((chunk) => chunk.at(-1) === 0x0a && chunk.length <= CHUNK_ROWS_BYTES_MAX));
  const average = bytes.length / chunks.length;
  assert.ok(average > 300 && average < 1000, `${average}`);
  assert.deepEqual(await cut(bytes, 7777), chunks);
  const otherKey = await cut(bytes, 100_000, expandGearTable(Buffer.alloc(32, 8)));
  assert.notDeepEqual(
    otherKey.slice(0, 50).map(({ length }) => length),
    chunks.slice(0, 50).map(({ length }) => length),
  );
});

test('a row that changes, comes or goes costs its own piece and at most its neighbour', async () => {
  const lines = rows(20_000, 200);
  const before = new Set((await cut(whole(lines))).map((chunk) => chunk.toString('latin1')));
  for (const change of [
    (all: string[]) => all.splice(9000, 1, 'changed\n'),
    (all: string[]) => all.splice(9000, 1),
    (all: string[]) => all.splice(9000, 0, 'one more\n'),
  ]) {
    const after = [...lines];
    change(after);
    const fresh = (await cut(whole(after))).filter((chunk) => !before.has(chunk.toString('latin1')));
    assert.ok(fresh.length <= 2, `${fresh.length}`);
  }
});

test('rows of any length, and what has no rows, are cut within bounds', async () => {
  const line = Buffer.concat([Buffer.from(randomBytes(300 * KIB).toString('base64')), Buffer.from('\n')]);
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.from('x'),
    Buffer.from('\n'),
    Buffer.alloc(100_000, '\n'),
    Buffer.alloc(9 * MIB, 'x'),
    Buffer.concat([whole(rows(50, 100)), line, whole(rows(50, 100)), line, Buffer.from('no end')]),
  ]) {
    const chunks = await cut(bytes);
    assert.ok(chunks.every(({ length }) => length > 0 && length <= CHUNK_SMALL_BYTES_MAX));
  }
});
