/** Remembers every path that a snapshot leaves out or could not read, so that a restore with --delete lets those be. */

import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import type { BlobId } from '../../base/ids.ts';
import { CHUNK_SMALL_BYTES_MAX, PATH_BYTES_MAX } from '../../base/limits.ts';
import { LEFT_OUT_REASONS, type LeftOutReason } from '../../repository/left-out-paths.ts';

export class LeftOut {
  #writer = new ByteWriter(1024);
  #count = 0;
  #told: Set<string> | undefined;
  #store: ((piece: Buffer) => BlobId) | undefined;
  readonly #stored: BlobId[] = [];

  /** From now on pieces are stored as they fill up, so that memory does not grow with the list. */
  storeWith(store: (piece: Buffer) => BlobId): void {
    this.#store = store;
  }

  get count(): number {
    return this.#count;
  }

  /** From now on directories are listed that were listed before: no path is added twice, but for those that are stored. */
  beginRound(): void {
    this.#told ??= new Set(decodeLeftOut(this.#writer.finish()).map(({ path }) => path.toString('latin1')));
  }

  add(path: Buffer, reason: LeftOutReason): void {
    if (this.#told !== undefined) {
      const text = path.toString('latin1');
      if (this.#told.has(text)) return;
      this.#told.add(text);
    }
    this.#count++;
    this.#writer.u8(LEFT_OUT_REASONS[reason]);
    this.#writer.counted(path);
    if (this.#store === undefined || this.#writer.length < CHUNK_SMALL_BYTES_MAX) return;
    this.#stored.push(...this.#cut().map(this.#store));
  }

  #cut(): Buffer[] {
    const all = this.#writer.finish();
    this.#writer = new ByteWriter(1024);
    const pieces: Buffer[] = [];
    for (let at = 0; at < all.length; at += CHUNK_SMALL_BYTES_MAX)
      pieces.push(all.subarray(at, at + CHUNK_SMALL_BYTES_MAX));
    return pieces;
  }

  /** Stores what is left, and returns the ids of all pieces: put together again they are the records back to back. */
  finish(): BlobId[] {
    if (this.#store !== undefined) this.#stored.push(...this.#cut().map(this.#store));
    return this.#stored;
  }
}

/** Decodes the pieces, put together again. */
export function decodeLeftOut(bytes: Buffer): { path: Buffer; reason: LeftOutReason }[] {
  const reader = new ByteReader(bytes, 'the list of paths that were left out');
  const found: { path: Buffer; reason: LeftOutReason }[] = [];
  const reasons = Object.entries(LEFT_OUT_REASONS) as [LeftOutReason, number][];
  while (reader.remaining > 0) {
    const code = reader.u8();
    const reason = reasons.find(([, value]) => value === code)?.[0] ?? reader.fail(`reason ${code}`);
    found.push({ reason, path: reader.counted(PATH_BYTES_MAX) });
  }
  return found;
}
