/**
 * Finds a directory of the parent snapshot by device and inode, so that the files below one that was renamed or moved
 * are matched where they were. Made only when the first directory without a match is met.
 */

import { BLOB_ID_BYTES, type BlobId } from '../../base/ids.ts';
import { MOVED_DIRECTORY_SLOTS_MAX } from '../../base/limits.ts';
import { readInode, readMode, S_IFDIR, S_IFMT } from '../../base/stat.ts';
import { decodeRow, ROW_NAME_LENGTH_OFFSET, ROW_NAME_OFFSET, ROW_STAT_OFFSET, rowLengthAt } from '../../format/row.ts';
import { isDamage } from '../../repository/batch-reader.ts';
import type { BlobReader } from '../../repository/blob-reader.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import { joinPath } from './run-context.ts';

const SLOTS_FIRST = 1 << 10;
const LOAD_MAX = 0.7;
const SLOT_BYTES = 32;
const DEVICE = 8;
const USED = 12;
const TREE = 16;

/** Trees of directories by device and inode: an open-addressed table, for objects would take ten times the memory. */
class DirectoryTable {
  #slots = Buffer.alloc(SLOTS_FIRST * SLOT_BYTES);
  #count = 0;
  readonly #devices = new Map<string, number>();

  get full(): boolean {
    return this.#count >= MOVED_DIRECTORY_SLOTS_MAX * LOAD_MAX;
  }

  #deviceNumber(device: string): number {
    const number = this.#devices.get(device) ?? this.#devices.size;
    this.#devices.set(device, number);
    return number;
  }

  /** Offset of the directory's slot, or of the empty one where it would be. */
  #find(slots: Buffer, device: number, inode: bigint): number {
    const count = slots.length / SLOT_BYTES;
    const low = Number(BigInt.asUintN(32, inode ^ (inode >> 32n)));
    let slot = (Math.imul(low ^ (device << 20), 0x9e3779b1) >>> 0) & (count - 1);
    for (;;) {
      const at = slot * SLOT_BYTES;
      if (slots[at + USED] === 0) return at;
      if (slots.readUInt32LE(at + DEVICE) === device && slots.readBigUInt64LE(at) === inode) return at;
      slot = (slot + 1) & (count - 1);
    }
  }

  set(device: string, inode: bigint, treeId: BlobId): void {
    if (this.#count >= (this.#slots.length / SLOT_BYTES) * LOAD_MAX) this.#grow();
    const number = this.#deviceNumber(device);
    const at = this.#find(this.#slots, number, inode);
    if (this.#slots[at + USED] === 0) this.#count++;
    this.#slots.writeBigUInt64LE(inode, at);
    this.#slots.writeUInt32LE(number, at + DEVICE);
    this.#slots[at + USED] = 1;
    treeId.copy(this.#slots, at + TREE);
  }

  #grow(): void {
    const slots = Buffer.alloc(this.#slots.length * 2);
    for (let from = 0; from < this.#slots.length; from += SLOT_BYTES) {
      if (this.#slots[from + USED] === 0) continue;
      const at = this.#find(slots, this.#slots.readUInt32LE(from + DEVICE), this.#slots.readBigUInt64LE(from));
      this.#slots.copy(slots, at, from, from + SLOT_BYTES);
    }
    this.#slots = slots;
  }

  get(device: string, inode: bigint): BlobId | undefined {
    const number = this.#devices.get(device);
    if (number === undefined) return undefined;
    const at = this.#find(this.#slots, number, inode);
    if (this.#slots[at + USED] === 0) return undefined;
    return Buffer.from(this.#slots.subarray(at + TREE, at + TREE + BLOB_ID_BYTES)) as BlobId;
  }
}

export class MovedDirectories {
  readonly #blobs: BlobReader;
  readonly #parent: Snapshot | undefined;
  #found: Promise<DirectoryTable> | undefined;

  constructor(blobs: BlobReader, parent: Snapshot | undefined) {
    this.#blobs = blobs;
    this.#parent = parent;
  }

  /** The tree that this very directory had in the parent snapshot. */
  async find(device: string, inode: bigint): Promise<BlobId | undefined> {
    if (this.#parent === undefined) return undefined;
    this.#found ??= this.#collect(this.#parent);
    return (await this.#found).get(device, inode);
  }

  async #collect(parent: Snapshot): Promise<DirectoryTable> {
    const found = new DirectoryTable();
    const mounts = new Map(parent.mounts.map((mount) => [mount.path.toString('latin1'), mount.device]));
    const walk = async (treeId: BlobId, path: Buffer, device: string): Promise<void> => {
      for await (const leaf of this.#blobs.leaves(treeId)) {
        let at = leaf.firstRow;
        for (let row = 0; row < leaf.rowCount; row++) {
          const { bytes } = leaf;
          const length = rowLengthAt(bytes, at);
          if ((readMode(bytes, at + ROW_STAT_OFFSET) & S_IFMT) === S_IFDIR && !found.full) {
            const nameEnd = at + ROW_NAME_OFFSET + bytes.readUInt16LE(at + ROW_NAME_LENGTH_OFFSET);
            const below = joinPath(path, bytes.subarray(at + ROW_NAME_OFFSET, nameEnd));
            const { content } = decodeRow(bytes.subarray(at, at + length), below.toString('utf8'));
            const own = mounts.get(below.toString('latin1')) ?? device;
            if (content.kind === 'tree') {
              found.set(own, readInode(bytes, at + ROW_STAT_OFFSET), content.treeId);
              await walk(content.treeId, below, own);
            }
          }
          at += length;
        }
      }
    };
    try {
      await walk(parent.tree, Buffer.from('/'), mounts.get('/') ?? '');
    } catch (error) {
      // What is not found is read again.
      if (!isDamage(error)) throw error;
    }
    return found;
  }
}
