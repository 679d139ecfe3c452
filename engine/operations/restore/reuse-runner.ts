/**
 * Builds a part of a changed file from the file that lies in its place: the work of one task, in a worker thread.
 *
 * The old file may be changing meanwhile, so nothing is believed of it. A piece is read into memory that nobody else can
 * change, hashed there, and written from there; or, where the whole old file could be cloned, it is hashed in the new one,
 * which nobody else has open. What is not right is fetched from the repository by whoever sent the task.
 */

import type { BlobId } from '../../base/ids.ts';
import { REUSE_DISTANCES_MAX, REUSE_REACH_BYTES, REUSE_TASK_BYTES_MAX } from '../../base/limits.ts';
import { readMode, readSize, S_IFMT, S_IFREG, STAT_BYTES } from '../../base/stat.ts';
import {
  type FileHandle,
  type FileSystem,
  FileSystemError,
  LISTING_EXTRA_WORDS,
  type StatTarget,
} from '../../filesystem/types.ts';
import { decodeRow, type Node } from '../../format/row.ts';
import type { Store } from '../../repository/sealed-files.ts';
import { ChunkSearch, type FoundChunks } from './chunk-search.ts';
import { FILE_CLONE, FILE_CLONED, STATUS_CLONED, STATUS_DONE, STATUS_UNREADABLE } from './messages.ts';
import { PieceReader } from './piece-reader.ts';
import type { TaskFile, TaskSlice, TaskView } from './task-view.ts';

interface OldFile {
  readonly handle: FileHandle;
  readonly size: number;
}

interface Part {
  /** The new file, under its temporary name. */
  readonly handle: FileHandle;
  readonly pieces: readonly TaskSlice[];
  /** The new file began as a clone of the old one. */
  readonly cloned: boolean;
  readonly old: OldFile | undefined;
  /** Where pieces were found, by how far they moved; the last one first. */
  readonly distances: number[];
  found: FoundChunks | undefined;
}

interface Piece {
  readonly position: number;
  readonly length: number;
  readonly blobId: BlobId;
}

/** What was cloned cannot be read back: the old file has a bad sector, which both now share. */
class CloneUnreadable extends Error {}

export class ReuseRunner {
  readonly #store: Store;
  readonly #fileSystem: FileSystem;
  readonly #reader: PieceReader;
  readonly #stat: StatTarget = { block: Buffer.alloc(STAT_BYTES), extras: new Uint32Array(LISTING_EXTRA_WORDS) };
  #search: ChunkSearch | undefined;

  constructor(store: Store, fileSystem: FileSystem) {
    this.#store = store;
    this.#fileSystem = fileSystem;
    this.#reader = new PieceReader(store, fileSystem);
  }

  /** Adds the numbers of slices that are not in the new file to `missing`. FileSystemError where that cannot be written. */
  run(view: TaskView, file: TaskFile, missing: number[]): number {
    const node = decodeRow(file.row, 'a row');
    const old = this.#open(file, node);
    try {
      const part = this.#part(view, file, { node, old });
      for (const [index, piece] of part.pieces.entries()) {
        if (!this.#take(part, piece)) missing.push(file.firstSlice + index);
      }
      return part.cloned ? STATUS_CLONED : STATUS_DONE;
    } catch (error) {
      if (error instanceof CloneUnreadable) return STATUS_UNREADABLE;
      throw error;
    } finally {
      if (old !== undefined) this.#fileSystem.close(old.handle);
    }
  }

  /** Undefined where nothing can be had of it. */
  #open(file: TaskFile, node: Node): OldFile | undefined {
    let handle: FileHandle | undefined;
    try {
      handle = this.#fileSystem.openFileAt(file.directory, node.name);
      this.#fileSystem.statFile(handle, this.#stat);
      const { block } = this.#stat;
      if ((readMode(block, 0) & S_IFMT) === S_IFREG) return { handle, size: readSize(block, 0) };
    } catch (error) {
      if (!(error instanceof FileSystemError)) throw error;
    }
    if (handle !== undefined) this.#fileSystem.close(handle);
    return undefined;
  }

  #part(view: TaskView, file: TaskFile, from: { readonly node: Node; readonly old: OldFile | undefined }): Part {
    const { node, old } = from;
    const handle = { fd: file.fd };
    const pieces = Array.from({ length: file.sliceCount }, (_, index) => view.slice(file.firstSlice + index));
    const wasCloned = (file.flags & FILE_CLONED) !== 0;
    const cloned =
      wasCloned || ((file.flags & FILE_CLONE) !== 0 && old !== undefined && this.#clone(old, handle, node));
    // What was inserted, or is gone, in one place moved all behind it by the difference of the sizes.
    const distances = old === undefined || old.size === node.size ? [0] : [0, old.size - node.size];
    return { handle, pieces, cloned, old, distances, found: undefined };
  }

  #clone(old: OldFile, handle: FileHandle, node: Node): boolean {
    const cloned = this.#fileSystem.cloneFile(old.handle, handle);
    if (!cloned) this.#fileSystem.truncate(handle, 0);
    this.#fileSystem.truncate(handle, node.size);
    return cloned;
  }

  /** True once the piece is in the new file. */
  #take(part: Part, { position, length, blobId }: TaskSlice): boolean {
    if (blobId === undefined) {
      if (part.cloned) this.#makeHole(part.handle, { position, length });
      return true;
    }
    const piece = { position, length, blobId };
    const distance = part.distances.find((each) => this.#takeAt(part, piece, each)) ?? this.#takeMoved(part, piece);
    if (distance === undefined) return false;
    if (part.distances[0] !== distance) {
      const others = part.distances.filter((each) => each !== distance);
      part.distances.splice(0, part.distances.length, distance, ...others.slice(0, REUSE_DISTANCES_MAX - 1));
    }
    return true;
  }

  #takeAt(part: Part, piece: Piece, distance: number): boolean {
    if (distance === 0 && part.cloned) return this.#isCloned(part, piece);
    if (part.old === undefined) return false;
    const bytes = this.#find(part.old, { ...piece, position: piece.position + distance });
    if (bytes === undefined) return false;
    const range = { offset: 0, length: bytes.length, position: piece.position };
    this.#fileSystem.write(part.handle, bytes, range);
    return true;
  }

  #isCloned(part: Part, piece: Piece): boolean {
    try {
      return this.#reader.find(part.handle, piece) !== undefined;
    } catch (error) {
      if (error instanceof FileSystemError) throw new CloneUnreadable();
      throw error;
    }
  }

  /** What cannot be read is not there. */
  #find(old: OldFile, piece: Piece): Buffer | undefined {
    try {
      return this.#reader.find(old.handle, piece);
    } catch (error) {
      if (error instanceof FileSystemError) return undefined;
      throw error;
    }
  }

  /** The distance at which it was found by cutting the old file, once for each part. */
  #takeMoved(part: Part, piece: Piece): number | undefined {
    if (part.old === undefined) return undefined;
    part.found ??= this.#searchAround(part, piece);
    const offset = part.found?.offset(piece.blobId);
    if (offset === undefined) return undefined;
    const distance = offset - piece.position;
    if (part.distances.includes(distance)) return undefined;
    return this.#takeAt(part, piece, distance) ? distance : undefined;
  }

  #searchAround(part: Part, first: Piece): FoundChunks | undefined {
    const { old, pieces } = part;
    const [distance = 0] = part.distances;
    const wanted = pieces.filter(({ blobId, position }) => blobId !== undefined && position >= first.position);
    const last = wanted.at(-1) ?? first;
    const start = first.position + distance - REUSE_REACH_BYTES;
    // Between pieces there may be holes of any length.
    const bytes = Math.min(last.position + last.length - first.position, REUSE_TASK_BYTES_MAX);
    const end = first.position + distance + bytes + REUSE_REACH_BYTES;
    if (old === undefined || end <= 0 || start >= old.size) return undefined;
    this.#search ??= new ChunkSearch(this.#store, this.#fileSystem);
    try {
      const lengths = new Set(wanted.map(({ length }) => length));
      return this.#search.search(old.handle, { start, end: Math.min(end, old.size) }, lengths);
    } catch (error) {
      if (error instanceof FileSystemError) return undefined;
      throw error;
    }
  }

  #makeHole(handle: FileHandle, range: { readonly position: number; readonly length: number }): void {
    const data = this.#fileSystem.nextData(handle, range.position);
    if (data >= 0 && data < range.position + range.length) this.#fileSystem.punchHole(handle, range);
  }
}
