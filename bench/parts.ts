/** Prints what the parts cost, one thread each: `node dist/bench/parts.js`. The engine's own code, called as it calls it. */

import { randomBytes } from 'node:crypto';
import { closeSync, lstatSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { KIB, MIB } from '../engine/base/limits.ts';
import { Compressor, decompress } from '../engine/codec/compression.ts';
import { createKeyedHasher } from '../engine/codec/hash.ts';
import { Sealer } from '../engine/codec/seal.ts';
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  LibC,
  O_RDONLY,
  STATX_BASIC_STATS,
} from '../engine/filesystem/libc.ts';
import { makeSmall } from './data/files.ts';
import { filesBelow } from './decide/store.ts';
import { cpuMs } from './measure.ts';
import { SeededRandom, text, vocabulary } from './random.ts';
import { formatTable } from './report.ts';

const ROUND_MS = 100;
const ROUNDS = 5;
const STATX_BYTES = 256;

/** Microseconds of computing a call, the best of some rounds: what else the machine does only ever adds. */
function costUs(call: () => unknown): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const begunMs = cpuMs();
    let calls = 0;
    let spentMs = 0;
    for (; spentMs < ROUND_MS; calls++) {
      call();
      if (calls % 16 === 0) spentMs = cpuMs() - begunMs;
    }
    best = Math.min(best, ((cpuMs() - begunMs) / calls) * 1000);
  }
  return best;
}

/** A frame as the data set of small files makes it. */
function smallFrame(): Buffer {
  const below = mkdtempSync(join(tmpdir(), 'snap-parts-small-'));
  try {
    makeSmall(below, 0.002);
    return Buffer.concat(filesBelow(below).map((path) => readFileSync(path))).subarray(0, 256 * KIB);
  } finally {
    rmSync(below, { recursive: true });
  }
}

const folder = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'snap-parts-'));
try {
  const path = join(folder, 'file');
  writeFileSync(path, randomBytes(1000));
  const koffi = createRequire(import.meta.url)('koffi') as {
    load(name: null): { func(declaration: string): () => number };
  };
  const getppid = koffi.load(null).func('int getppid()');
  const { calls } = new LibC();
  const name = Buffer.from(`${path}\0`);
  const stat = Buffer.alloc(STATX_BYTES);
  const bytes = Buffer.alloc(64 * KIB);
  const empty = Buffer.from('\0');
  const statAt = (directory: number, at: Buffer, flags: number): number =>
    calls.statx(directory, at, flags, STATX_BASIC_STATS, stat);

  const large = randomBytes(MIB);
  const same = Buffer.from(large);
  const piece = large.subarray(0, 16 * KIB);
  const tiny = large.subarray(0, 1000);
  const sealer = new Sealer(randomBytes(32), randomBytes(33));
  const number = { part: 0, counter: 1 };
  const sealed = Buffer.alloc(MIB + 16);
  const opened = Buffer.alloc(MIB);
  const key = randomBytes(32);
  const native = await createKeyedHasher(key, 'native');
  const wasm = await createKeyedHasher(key, 'wasm');
  const random = new SeededRandom(5);
  const words = Buffer.from(text(random, vocabulary(random, 5000), 300_000)).subarray(0, 256 * KIB);
  const compressors = [1, 3].map((level) => new Compressor(level));
  const small = smallFrame();
  const coded = Buffer.from(compressors[1]?.compress(words) ?? words);

  const parts: readonly (readonly [string, () => unknown])[] = [
    ['getppid through koffi: a call', () => getppid()],
    ['statx through koffi, one buffer', () => statAt(AT_FDCWD, name, AT_SYMLINK_NOFOLLOW)],
    ['lstatSync, bigint', () => lstatSync(path, { bigint: true })],
    ['lstatSync', () => lstatSync(path)],
    [
      'open, statx, read, close of 1,000 bytes through koffi',
      () => {
        const file = calls.openat(AT_FDCWD, name, O_RDONLY, 0);
        statAt(file, empty, AT_EMPTY_PATH);
        calls.read(file, bytes, bytes.length);
        calls.close(file);
      },
    ],
    [
      'open, read, close of 1,000 bytes, Node',
      () => {
        const file = openSync(path, 'r');
        readSync(file, bytes, 0, bytes.length, null);
        closeSync(file);
      },
    ],
    ['AES-256-GCM, seal 1 MiB', () => sealer.sealInto(number, [large], sealed)],
    ['AES-256-GCM, open 1 MiB', () => sealer.openInto(number, sealed, opened)],
    ["AES-256-GCM, open 1 MiB, Node's cipher", () => sealer.open(number, sealed)],
    ['BLAKE3 native, 1 MiB', () => native.digest(large, 16)],
    ['BLAKE3 native, 16 KiB', () => native.digest(piece, 16)],
    ['BLAKE3 native, 1,000 bytes', () => native.digest(tiny, 16)],
    ['BLAKE3 hash-wasm, 16 KiB', () => wasm.digest(piece, 16)],
    ['BLAKE3 hash-wasm, 1,000 bytes', () => wasm.digest(tiny, 16)],
    ['CRC-32, 1 MiB', () => crc32(large)],
    ['CRC-32, 1,000 bytes', () => crc32(tiny)],
    ['comparison of 1 MiB', () => large.compare(same)],
    ['zstd level 1, 256 KiB of words', () => compressors[0]?.compress(words)],
    ['zstd level 3, 256 KiB of words', () => compressors[1]?.compress(words)],
    ["zstd level 1, 256 KiB of the bench's small files", () => compressors[0]?.compress(small)],
    ["zstd level 3, 256 KiB of the bench's small files", () => compressors[1]?.compress(small)],
    ['zstd, back', () => decompress(coded, words.length, opened)],
    ['probe of 1 MiB that does not compress', () => compressors[1]?.compress(large)],
  ];
  const rows = parts.map(([part, call]) => ({ part, us: costUs(call).toFixed(2) }));
  process.stdout.write(`${formatTable(rows)}\n`);
} finally {
  rmSync(folder, { recursive: true });
}
