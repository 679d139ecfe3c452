import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { EngineError } from '../../engine/base/errors.ts';
import { Chunker, chunkerParameters } from '../../engine/codec/chunker.ts';
import { cutReference } from '../../engine/codec/chunker-reference.ts';
import { Compressor, decompress } from '../../engine/codec/compression.ts';
import { fileClass } from '../../engine/codec/file-class.ts';
import { expandGearTable } from '../../engine/codec/gear.ts';
import { createKeyedHasher } from '../../engine/codec/hash.ts';
import { paddedLength } from '../../engine/codec/padding.ts';
import { derivePasswordKey } from '../../engine/codec/password.ts';
import { Random } from '../support/random.ts';

const GEAR = expandGearTable(Buffer.alloc(32, 1));
const SMALL = chunkerParameters({ name: 'small', pageBytes: 0 });

function cuts(chunker: Chunker, bytes: Buffer, parameters = SMALL): number[] {
  bytes.copy(chunker.memory);
  const lengths: number[] = [];
  for (let start = 0; start < bytes.length; ) {
    const length = chunker.cut(parameters, start, bytes.length);
    lengths.push(length);
    start += length;
  }
  return lengths;
}

test('whatever came before it, a piece comes back as it was, and noise is kept as it is', () => {
  const random = new Random(16);
  const compressor = new Compressor(3);
  const pieces = ['text', 'noise', 'noise', 'text', 'text', 'noise', 'text'].flatMap((what) =>
    [1000, 100_000, 300_000, 2_000_000].map((length) => ({ what, length })),
  );
  for (const { what, length } of pieces) {
    const bytes = what === 'noise' ? random.bytes(length) : Buffer.alloc(length, `${length} of text and more text `);
    const packed = compressor.compress(bytes);
    assert.equal(packed === undefined, what === 'noise', `${length} bytes of ${what}`);
    if (packed !== undefined) assert.deepEqual(decompress(packed, length), bytes);
  }
});

test('the chunker cuts as its plain twin does, whatever the bytes', () => {
  const chunker = new Chunker(GEAR, 1 << 20);
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 200_000 }), fc.constantFrom(1, 3, 256), (seed, length, symbols) => {
      const bytes = new Random(seed).bytes(length).map((byte) => byte % symbols);
      const expected: number[] = [];
      for (let start = 0; start < length; ) {
        const cut = cutReference(GEAR, Buffer.from(bytes), { start, end: length }, SMALL);
        expected.push(cut);
        start += cut;
      }
      assert.deepEqual(cuts(chunker, Buffer.from(bytes)), expected);
    }),
    { numRuns: 15 },
  );
});

test('cut points are found again behind an insertion, and depend on the bytes since the last one alone', () => {
  const chunker = new Chunker(GEAR, 1 << 21);
  const bytes = new Random(3).bytes(1_000_000);
  const before = cuts(chunker, bytes);
  const after = cuts(chunker, Buffer.concat([Buffer.from('inserted'), bytes]));
  assert.deepEqual(after.slice(-10), before.slice(-10));
  const third = (before[0] ?? 0) + (before[1] ?? 0);
  assert.deepEqual(cuts(chunker, bytes.subarray(third)), before.slice(2));
  for (const length of before.slice(0, -1)) assert.ok(length >= SMALL.min && length <= SMALL.max);
});

test('trap 29: another secret cuts elsewhere, and padded lengths hide the rest', () => {
  const bytes = new Random(4).bytes(1_000_000);
  const one = cuts(new Chunker(GEAR, 1 << 20), bytes);
  const other = cuts(new Chunker(expandGearTable(Buffer.alloc(32, 2)), 1 << 20), bytes);
  const ends = (lengths: readonly number[]): Set<number> => {
    let end = 0;
    return new Set(lengths.map((length) => (end += length)));
  };
  const [a, b] = [ends(one), ends(other)];
  const common = [...a].filter((end) => b.has(end)).length;
  assert.ok(common <= 3, `${common} of ${a.size} cut points are the same`);
  const seen = new Set<number>();
  for (let length = 1_000_000; length < 1_004_000; length++) {
    const padded = paddedLength(length);
    assert.ok(padded >= length && padded - length < 8192);
    seen.add(padded);
  }
  assert.ok(seen.size <= 2, 'four thousand lengths look like two');
});

test('both implementations of the keyed hash give the same digest, another key another one', async () => {
  const key = randomBytes(32);
  const native = await createKeyedHasher(key, 'native');
  const wasm = await createKeyedHasher(key, 'wasm');
  const other = await createKeyedHasher(randomBytes(32));
  for (const length of [0, 1, 63, 64, 65, 1023, 1024, 1025, 2047, 2048, 65_537, 1_000_003]) {
    const bytes = new Random(length).bytes(length);
    const digest = native.digest(bytes, 32);
    assert.deepEqual(wasm.digest(bytes, 32), digest, String(length));
    assert.deepEqual(wasm.digest(bytes, 16), digest.subarray(0, 16));
    assert.notDeepEqual(other.digest(bytes, 32), digest);
  }
});

test('what compresses comes back, what does not stays as it is, and a wrong length is refused', () => {
  const compressor = new Compressor(3);
  const text = Buffer.from('a text that compresses; '.repeat(5000));
  const packed = compressor.compress(text);
  assert.ok(packed !== undefined && packed.length < text.length / 10);
  assert.ok(decompress(Buffer.from(packed), text.length).equals(text));
  assert.throws(() => decompress(Buffer.from(packed), text.length - 1), EngineError);
  assert.throws(() => decompress(Buffer.from(packed).subarray(0, 20), text.length), EngineError);
  assert.equal(compressor.compress(new Random(5).bytes(500_000)), undefined);
  assert.equal(new Compressor('off').compress(text), undefined);
});

test("a file's class follows from its name, length and first bytes alone", () => {
  const name = (text: string): Buffer => Buffer.from(text);
  const mib = 1024 * 1024;
  const nothing = Buffer.alloc(512);
  const sqlite = Buffer.concat([Buffer.from('SQLite format 3\0', 'latin1'), Buffer.from([0x20, 0]), Buffer.alloc(100)]);
  assert.deepEqual(fileClass(name('x'), mib, sqlite), { name: 'pages', pageBytes: 8192 });
  const classOf = (text: string, size: number, head = nothing): string => fileClass(name(text), size, head).name;
  assert.equal(classOf('book.m4b', 50 * mib), 'large');
  assert.equal(classOf('BOOK.M4B', 50 * mib), 'large');
  assert.equal(classOf('cover.jpg', 100_000), 'small');
  assert.equal(classOf('novel.epub', 5 * mib), 'small');
  assert.equal(classOf('dump.sql', 5 * mib), 'small');
  assert.equal(classOf('image', 5 * mib, Buffer.from([0xff, 0xd8, 0xff, 0, 0])), 'large');
  assert.equal(classOf('whatever', 64 * mib), 'large');
});

test("Argon2id gives the reference implementation's key, and refuses what is out of bounds", async () => {
  // A test vector of the reference implementation (test.c: version 0x13, t = 2, m = 2^16 KiB, p = 1).
  const key = await derivePasswordKey(Buffer.from('password'), {
    salt: Buffer.from('somesalt'),
    memoryKiB: 65_536,
    iterations: 2,
    parallelism: 1,
  });
  assert.equal(key.toString('hex'), '09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7');
  for (const parameters of [{ memoryKiB: 2 ** 30 }, { iterations: 0 }, { parallelism: 99 }]) {
    const given = { salt: Buffer.alloc(16), memoryKiB: 64, iterations: 1, parallelism: 1, ...parameters };
    await assert.rejects(derivePasswordKey(Buffer.from('x'), given), EngineError);
  }
});
