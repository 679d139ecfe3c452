/** A set of eight-byte digests in plain memory: open-addressed, since the digests are as good as random. */

import { KNOWN_SLOTS_MAX } from '../../base/limits.ts';
import { DIGEST_BYTES } from './state-digest.ts';

const LOAD_MAX = 0.75;

export class KnownSet {
  #low: Uint32Array;
  #high: Uint32Array;
  #touched: Uint8Array;
  #count = 0;

  constructor(expected: number) {
    let slots = 1024;
    while (slots * LOAD_MAX < expected && slots < KNOWN_SLOTS_MAX) slots *= 2;
    this.#low = new Uint32Array(slots);
    this.#high = new Uint32Array(slots);
    this.#touched = new Uint8Array(slots);
  }

  /** Slot of a digest, or of the empty place where it would be. */
  #slot(low: number, high: number): number {
    const mask = this.#low.length - 1;
    let slot = low & mask;
    while (this.#low[slot] !== 0 || this.#high[slot] !== 0) {
      if (this.#low[slot] === low && this.#high[slot] === high) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  add(digests: Buffer): void {
    for (let at = 0; at + DIGEST_BYTES <= digests.length; at += DIGEST_BYTES) {
      if (this.#count >= this.#low.length * LOAD_MAX) return;
      const low = digests.readUInt32LE(at);
      const high = digests.readUInt32LE(at + 4);
      const slot = this.#slot(low, high);
      if (this.#low[slot] === low && this.#high[slot] === high) continue;
      this.#low[slot] = low;
      this.#high[slot] = high;
      this.#count++;
    }
  }

  /** True for a digest that was added; it then counts as touched. */
  touch(digest: Buffer): boolean {
    const low = digest.readUInt32LE(0);
    const high = digest.readUInt32LE(4);
    if (low === 0 && high === 0) return false;
    const slot = this.#slot(low, high);
    if (this.#low[slot] !== low || this.#high[slot] !== high) return false;
    this.#touched[slot] = 1;
    return true;
  }

  /** All touched digests, in pieces. */
  *touched(): Generator<Buffer> {
    let piece = Buffer.allocUnsafe(4096 * DIGEST_BYTES);
    let length = 0;
    for (let slot = 0; slot < this.#touched.length; slot++) {
      if (this.#touched[slot] === 0) continue;
      piece.writeUInt32LE(this.#low[slot] ?? 0, length);
      piece.writeUInt32LE(this.#high[slot] ?? 0, length + 4);
      length += DIGEST_BYTES;
      if (length < piece.length) continue;
      yield piece;
      piece = Buffer.allocUnsafe(4096 * DIGEST_BYTES);
      length = 0;
    }
    if (length > 0) yield piece.subarray(0, length);
  }
}
