/**
 * LevelDB as the cold part of the chunk index uses it: numbered values under (run, kind, number), each written once, in
 * ascending order of keys, so that nothing is ever merged or overwritten, and nobody scans (trap 32). Every value ends
 * with a check code over key and bytes: one that fails it is as good as missing, because all of this is derived data.
 *
 * All threads of a process share one open database by its location.
 */

import { crc32 } from 'node:zlib';
import type { Level } from 'level';
import { COLD_BATCH_BYTES_MAX, COLD_MAPPED_BYTES_MAX, KIB, MIB } from '../base/limits.ts';
import { MappedTables } from '../filesystem/mapped-tables.ts';

/** In the order in which the parts of a run are written. */
export const COLD_KINDS = { page: 1, filter: 2, frames: 3, packs: 4, segments: 5, summary: 9 } as const;
export type ColdKind = keyof typeof COLD_KINDS;

const KEY_BYTES = 7;
const CHECK_BYTES = 4;
/** Long values are cut into pieces of this length. */
const PIECE_BYTES = 256 * 1024;

/** What the kernel maps around a page that is read for the first time. */
const MAPPED_AROUND_BYTES = 64 * KIB;

const OPTIONS = {
  keyEncoding: 'buffer',
  valueEncoding: 'buffer',
  compression: false,
  cacheSize: 4 * MIB,
  writeBufferSize: 8 * MIB,
  maxFileSize: 32 * MIB,
  multithreading: true,
} as const;

function keyOf(run: number, kind: ColdKind, number: number): Buffer {
  const key = Buffer.allocUnsafe(KEY_BYTES);
  key.writeUInt16BE(run, 0);
  key.writeUInt8(COLD_KINDS[kind], 2);
  key.writeUInt32BE(number, 3);
  return key;
}

export class ColdDatabase {
  readonly location: string;
  readonly #level: Level<Buffer, Buffer>;
  #batch: { type: 'put'; key: Buffer; value: Buffer }[] = [];
  #memory: Buffer | undefined;
  #filled = 0;
  readonly #tables = MappedTables.load();
  /** What scans mapped since all was given back, and the number of the value that was read last. */
  #mappedBytes = 0;
  #lastNumber = -1;

  private constructor(location: string, level: Level<Buffer, Buffer>) {
    this.location = location;
    this.#level = level;
  }

  /** Opens the database in a directory, or makes one there. Throws what LevelDB throws. */
  static async open(location: string): Promise<ColdDatabase> {
    // Loaded late: a repository that has no cold part never pays for it.
    const { Level } = await import('level');
    const level = new Level<Buffer, Buffer>(location, OPTIONS);
    await level.open();
    return new ColdDatabase(location, level);
  }

  /** The value, or undefined where it is missing or not what was written. Without waiting. */
  read(run: number, kind: ColdKind, number: number): Buffer | undefined {
    const key = keyOf(run, kind, number);
    let stored: Buffer | undefined;
    try {
      stored = this.#level.getSync(key);
    } catch {
      return undefined;
    }
    if (stored === undefined || stored.length < CHECK_BYTES) return undefined;
    const value = stored.subarray(0, stored.length - CHECK_BYTES);
    return stored.readUInt32LE(value.length) === crc32(value, crc32(key)) ? value : undefined;
  }

  /**
   * The same, for whoever goes through very many values: what they came from leaves memory again. Not for single ones, which
   * would take twice the time and more if nothing were left there for the next.
   */
  scan(run: number, kind: ColdKind, number: number): Buffer | undefined {
    const value = this.read(run, kind, number);
    const bytes = value?.length ?? 0;
    this.#mappedBytes += number === this.#lastNumber + 1 ? bytes : Math.max(bytes, MAPPED_AROUND_BYTES);
    this.#lastNumber = number;
    if (this.#mappedBytes >= COLD_MAPPED_BYTES_MAX) {
      this.#mappedBytes = 0;
      this.#tables?.release();
    }
    return value;
  }

  /** Adds a value to the batch; a copy is kept. True once drain() should be awaited, before the next put(). */
  put(address: { readonly run: number; readonly kind: ColdKind; readonly number: number }, bytes: Uint8Array): boolean {
    const key = keyOf(address.run, address.kind, address.number);
    const value = this.#memoryFor(bytes.length + CHECK_BYTES);
    value.set(bytes);
    value.writeUInt32LE(crc32(bytes, crc32(key)), bytes.length);
    this.#batch.push({ type: 'put', key, value });
    return this.#filled >= COLD_BATCH_BYTES_MAX;
  }

  /** Memory that is taken again after drain(): a large index is written in 10^5 values. */
  #memoryFor(bytes: number): Buffer {
    this.#memory ??= Buffer.allocUnsafeSlow(2 * COLD_BATCH_BYTES_MAX);
    const start = this.#filled;
    this.#filled += bytes;
    return this.#filled <= this.#memory.length
      ? this.#memory.subarray(start, this.#filled)
      : Buffer.allocUnsafeSlow(bytes);
  }

  async drain(): Promise<void> {
    const batch = this.#batch;
    if (batch.length > 0) await this.#level.batch(batch);
    this.#batch = [];
    this.#filled = 0;
  }

  /** Puts a long value as pieces. */
  async putPieces(run: number, kind: ColdKind, bytes: Uint8Array): Promise<void> {
    for (let number = 0; number * PIECE_BYTES < bytes.length; number++) {
      const piece = bytes.subarray(number * PIECE_BYTES, (number + 1) * PIECE_BYTES);
      if (this.put({ run, kind, number }, piece)) await this.drain();
    }
  }

  /** Fills `target` from pieces; false where they are not what was written. */
  readPieces(run: number, kind: ColdKind, target: Uint8Array): boolean {
    for (let number = 0; number * PIECE_BYTES < target.length; number++) {
      const piece = this.scan(run, kind, number);
      const start = number * PIECE_BYTES;
      if (piece === undefined || piece.length !== Math.min(PIECE_BYTES, target.length - start)) return false;
      target.set(piece, start);
    }
    return true;
  }

  /** True where a long value of this length lies there as it was written, and is `expected`. Nothing of it is kept. */
  holdsPieces(
    run: number,
    kind: ColdKind,
    value: { readonly length: number; readonly expected?: Uint8Array },
  ): boolean {
    const { length, expected } = value;
    for (let number = 0; number * PIECE_BYTES < length; number++) {
      const piece = this.scan(run, kind, number);
      const start = number * PIECE_BYTES;
      if (piece === undefined || piece.length !== Math.min(PIECE_BYTES, length - start)) return false;
      if (expected !== undefined && !piece.equals(expected.subarray(start, start + piece.length))) return false;
    }
    return true;
  }

  async close(): Promise<void> {
    await this.#level.close();
  }
}
