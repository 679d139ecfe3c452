/**
 * What a piece of an old file costs that goes into a new one and is hashed where nobody else can change it: from memory, or
 * by copy_file_range and read back. `node dist/bench/copy-ways.js [FOLDER]`.
 */

import { randomBytes } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MIB } from '../engine/base/limits.ts';
import { createKeyedHasher } from '../engine/codec/hash.ts';
import { cpuMs } from './measure.ts';
import { formatTable } from './report.ts';

const PIECES = 256;
const ROUNDS = 5;
const DISTANCES = [0, 100];

interface Koffi {
  load(name: null): { func(declaration: string): (...parameters: (number | Buffer)[]) => number };
}

const koffi = createRequire(import.meta.url)('koffi') as Koffi;
const copyFileRange = koffi.load(null).func('int64 copy_file_range(int, void*, int, void*, uint64, uint32)');
const folder = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'snap-copy-'));
const memory = Buffer.alloc(MIB);
const hasher = await createKeyedHasher(Buffer.alloc(32, 1));

function makeOld(path: string): void {
  const file = openSync(path, 'w');
  const bytes = randomBytes(MIB);
  for (let piece = 0; piece < PIECES; piece++) {
    bytes.writeUInt32LE(piece);
    writeSync(file, bytes);
  }
  closeSync(file);
}

type Way = (from: number, to: number, at: { readonly old: number; readonly new: number }) => void;

const throughMemory: Way = (from, to, at) => {
  readSync(from, memory, 0, MIB, at.old);
  hasher.digest(memory, 16);
  writeSync(to, memory, 0, MIB, at.new);
};

const throughKernel: Way = (from, to, at) => {
  const [oldAt, newAt] = [Buffer.alloc(8), Buffer.alloc(8)];
  for (let done = 0; done < MIB; ) {
    oldAt.writeBigInt64LE(BigInt(at.old + done));
    newAt.writeBigInt64LE(BigInt(at.new + done));
    const count = Number(copyFileRange(from, oldAt, to, newAt, MIB - done, 0));
    if (count <= 0) throw new Error('copy_file_range does not work here');
    done += count;
  }
  readSync(to, memory, 0, MIB, at.new);
  hasher.digest(memory, 16);
};

/** Microseconds of computing for a piece, the best of some rounds. */
function costUs(old: string, way: Way, distance: number): number {
  const from = openSync(old, 'r');
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const path = join(folder, `new ${round}`);
    const to = openSync(path, 'w+');
    const begunMs = cpuMs();
    for (let piece = 0; piece < PIECES; piece++) way(from, to, { old: piece * MIB, new: piece * MIB + distance });
    best = Math.min(best, ((cpuMs() - begunMs) / PIECES) * 1000);
    closeSync(to);
    rmSync(path);
  }
  closeSync(from);
  return best;
}

try {
  const old = join(folder, 'old');
  makeOld(old);
  const rows = DISTANCES.map((distance) => ({
    'moved by, bytes': distance,
    'read, hash, write: us for 1 MiB': costUs(old, throughMemory, distance).toFixed(0),
    'copy_file_range, read back, hash: us': costUs(old, throughKernel, distance).toFixed(0),
  }));
  process.stdout.write(`${formatTable(rows)}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
