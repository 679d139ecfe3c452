/**
 * Finds a directory of the parent snapshot by device and inode, so that the files below one that was renamed or moved
 * are matched where they were. Made only when the first directory without a match is met.
 */

import type { BlobId } from '../../base/ids.ts';
import { readInode, readMode, S_IFDIR, S_IFMT } from '../../base/stat.ts';
import { decodeRow, ROW_NAME_LENGTH_OFFSET, ROW_NAME_OFFSET, ROW_STAT_OFFSET, rowLengthAt } from '../../format/row.ts';
import type { BlobReader } from '../../repository/blob-reader.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import { joinPath } from './run-context.ts';

/** Directories that are remembered; those beyond are read again when they moved. */
const DIRECTORIES_MAX = 1_000_000;

export class MovedDirectories {
  readonly #blobs: BlobReader;
  readonly #parent: Snapshot | undefined;
  #found: Promise<Map<string, BlobId>> | undefined;

  constructor(blobs: BlobReader, parent: Snapshot | undefined) {
    this.#blobs = blobs;
    this.#parent = parent;
  }

  /** The tree that this very directory had in the parent snapshot. */
  async find(device: string, inode: bigint): Promise<BlobId | undefined> {
    if (this.#parent === undefined) return undefined;
    this.#found ??= this.#collect(this.#parent);
    return (await this.#found).get(`${device}/${inode}`);
  }

  async #collect(parent: Snapshot): Promise<Map<string, BlobId>> {
    const found = new Map<string, BlobId>();
    const mounts = new Map(parent.mounts.map((mount) => [mount.path.toString('latin1'), mount.device]));
    const walk = async (treeId: BlobId, path: Buffer, device: string): Promise<void> => {
      for await (const leaf of this.#blobs.leaves(treeId)) {
        let at = leaf.firstRow;
        for (let row = 0; row < leaf.rowCount; row++) {
          const { bytes } = leaf;
          const length = rowLengthAt(bytes, at);
          if ((readMode(bytes, at + ROW_STAT_OFFSET) & S_IFMT) === S_IFDIR && found.size < DIRECTORIES_MAX) {
            const nameEnd = at + ROW_NAME_OFFSET + bytes.readUInt16LE(at + ROW_NAME_LENGTH_OFFSET);
            const below = joinPath(path, bytes.subarray(at + ROW_NAME_OFFSET, nameEnd));
            const { content } = decodeRow(bytes.subarray(at, at + length), below.toString('utf8'));
            const own = mounts.get(below.toString('latin1')) ?? device;
            if (content.kind === 'tree') {
              found.set(`${own}/${readInode(bytes, at + ROW_STAT_OFFSET)}`, Buffer.from(content.treeId) as BlobId);
              await walk(content.treeId, below, own);
            }
          }
          at += length;
        }
      }
    };
    await walk(parent.tree, Buffer.from('/'), mounts.get('/') ?? '');
    return found;
  }
}
