import assert from 'node:assert/strict';
import { hkdfSync, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { isEngineError } from '../../engine/base/errors.ts';
import { Compressor, decompress } from '../../engine/codec/compression.ts';
import { NativeGcm } from '../../engine/codec/gcm.ts';
import { deriveKey, Sealer } from '../../engine/codec/seal.ts';

const TAG_BYTES = 16;

function sealer(): Sealer {
  return new Sealer(randomBytes(32), randomBytes(28));
}

for (const pieces of [[], [0], [1], [1000], [16, 0, 31], [1 << 20, 4096]]) {
  test(`sealing ${pieces.join(' + ')} bytes into memory gives what Node's cipher gives, and opens both ways`, () => {
    const one = sealer();
    const plain = pieces.map((length) => randomBytes(length));
    const number = { part: 3, counter: 0x1_0000_0007 };
    const expected = Buffer.concat(one.seal(number, plain));
    const memory = Buffer.alloc(expected.length + 10, 0xee);
    assert.equal(one.sealInto(number, plain, memory), expected.length);
    const sealed = memory.subarray(0, expected.length);
    assert.deepEqual(sealed, expected);
    assert.deepEqual(memory.subarray(expected.length), Buffer.alloc(10, 0xee), 'nothing behind it is touched');
    const opened = Buffer.alloc(expected.length);
    assert.deepEqual(one.openInto(number, sealed, opened), Buffer.concat(plain));
    assert.deepEqual(one.open(number, sealed), Buffer.concat(plain));
    assert.deepEqual(Buffer.concat(one.openPieces(number, one.seal(number, plain))), Buffer.concat(plain));
  });
}

test("a derived key is HKDF's, as Node makes it", () => {
  for (const [salt, info] of [
    [randomBytes(16), 'snap 1 pack'],
    [Buffer.alloc(0), ''],
    [randomBytes(64), 'ü'],
  ] as const) {
    const secret = randomBytes(32);
    assert.deepEqual(deriveKey(secret, salt, info), Buffer.from(hkdfSync('sha256', secret, salt, info, 32)));
  }
});

test('openInto() refuses any bit that was flipped, another number, and memory that is too small', () => {
  const one = sealer();
  const number = { part: 0, counter: 1 };
  const sealed = Buffer.concat(one.seal(number, [randomBytes(100)]));
  const into = Buffer.alloc(100);
  const isCorrupt = (error: unknown): boolean => isEngineError(error, 'OBJECT_CORRUPT');
  for (const at of [0, 99, 100, 115]) {
    const flipped = Buffer.from(sealed);
    flipped[at] = (flipped[at] ?? 0) ^ 1;
    assert.throws(() => one.openInto(number, flipped, into), isCorrupt);
  }
  assert.throws(() => one.openInto({ part: 0, counter: 2 }, sealed, into), isCorrupt);
  assert.throws(
    () => one.openInto(number, sealed, Buffer.alloc(99)),
    (error) => isEngineError(error, 'INTERNAL'),
  );
  assert.throws(() => one.sealInto(number, [randomBytes(100)], Buffer.alloc(100 + TAG_BYTES - 1)));
  assert.equal(one.openInto(number, sealed, into).length, 100);
});

test('the OpenSSL that Node is linked with answers directly on this platform', (t) => {
  if (process.platform !== 'linux') return t.skip('elsewhere Node shows no symbols');
  assert.ok(NativeGcm.load() !== undefined);
});

test('decompress() into memory of the caller returns a view of it', () => {
  const plain = Buffer.from('again and again '.repeat(500));
  const into = Buffer.alloc(plain.length + 5);
  const packed = new Compressor(3).compress(plain);
  assert.ok(packed !== undefined);
  const out = decompress(packed, plain.length, into);
  assert.deepEqual(out, plain);
  assert.equal(out.buffer, into.buffer);
});
