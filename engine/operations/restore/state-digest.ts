/**
 * "This entry of the target is exactly that node of the snapshot", as eight bytes: a hash of where it lies, of the node's
 * row, and of size, inode and times as they were when the restore was done with it. A change of any of these gives
 * another digest, so that what is known can be a mere set.
 */

import { hash } from 'node:crypto';
import { STAT_BYTES, STAT_OFFSET } from '../../base/stat.ts';

export const DIGEST_BYTES = 8;
/** Inode, size and times lie together at the end of the stat block. */
const STATE_FROM = STAT_OFFSET.inode;
const STATE_BYTES = STAT_BYTES - STATE_FROM;

export interface EntryState {
  readonly directoryKey: Uint8Array;
  readonly row: Buffer;
  /** Holds the stat block of the target's entry at `at`. */
  readonly stat: Buffer;
  readonly at: number;
}

export class StateDigester {
  #scratch = Buffer.allocUnsafeSlow(512);

  digest(entry: EntryState): Buffer {
    const { directoryKey, row, stat, at } = entry;
    const length = directoryKey.length + STATE_BYTES + row.length;
    if (length > this.#scratch.length) this.#scratch = Buffer.allocUnsafeSlow(length * 2);
    const scratch = this.#scratch;
    scratch.set(directoryKey, 0);
    stat.copy(scratch, directoryKey.length, at + STATE_FROM, at + STAT_BYTES);
    row.copy(scratch, directoryKey.length + STATE_BYTES);
    return hash('sha256', scratch.subarray(0, length), 'buffer').subarray(0, DIGEST_BYTES);
  }
}

/** True where two stat blocks agree in inode, size and both times. */
export function sameState(a: Buffer, aAt: number, b: Buffer, bAt: number): boolean {
  return a.compare(b, bAt + STATE_FROM, bAt + STAT_BYTES, aAt + STATE_FROM, aAt + STAT_BYTES) === 0;
}
