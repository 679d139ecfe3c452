/**
 * Finds pieces of a snapshot that lie elsewhere in an existing file: part of it is cut as the repository cuts files, and
 * chunks of a wanted length are named. Cutting begins anywhere, and falls into step after a few chunks.
 */

import { BLOB_ID_BYTES, type BlobId } from '../../base/ids.ts';
import {
  CHUNK_LARGE_BYTES_MAX,
  CHUNK_PAGE_BYTES_MIN,
  CHUNK_SMALL_BYTES_MAX,
  FILE_STEP_BYTES,
} from '../../base/limits.ts';
import { Chunker, type ChunkerParameters, chunkerParameters } from '../../codec/chunker.ts';
import type { FileHandle, FileSystem } from '../../filesystem/types.ts';
import type { Store } from '../../repository/sealed-files.ts';

export class FoundChunks {
  readonly #offsets = new Map<string, number>();

  add(blobId: Buffer, offset: number): void {
    const key = blobId.toString('latin1');
    if (!this.#offsets.has(key)) this.#offsets.set(key, offset);
  }

  /** Where in the file the chunk lay when it was cut. */
  offset(blobId: BlobId): number | undefined {
    return this.#offsets.get(blobId.toString('latin1'));
  }
}

export class ChunkSearch {
  readonly #store: Store;
  readonly #fileSystem: FileSystem;
  readonly #chunker: Chunker;

  constructor(store: Store, fileSystem: FileSystem) {
    this.#store = store;
    this.#fileSystem = fileSystem;
    this.#chunker = new Chunker(store.keys.gearTable(), FILE_STEP_BYTES + CHUNK_LARGE_BYTES_MAX);
  }

  /** Chunks in a range of a file that are as long as one of the pieces. Throws FileSystemError. */
  search(
    file: FileHandle,
    range: { readonly start: number; readonly end: number },
    lengths: ReadonlySet<number>,
  ): FoundChunks {
    const found = new FoundChunks();
    const parameters = parametersOf(lengths);
    // Pages are found at multiples of their size, which all divide the largest.
    let at = Math.floor(Math.max(0, range.start) / CHUNK_SMALL_BYTES_MAX) * CHUNK_SMALL_BYTES_MAX;
    while (at < range.end) {
      const start = this.#fileSystem.nextData(file, at);
      if (start < 0 || start >= range.end) break;
      const hole = this.#fileSystem.nextHole(file, start, range.end);
      // A hole ends a chunk.
      const end = hole <= start ? range.end : Math.min(hole, range.end);
      this.#cut(file, { start, end }, { parameters, lengths, found });
      at = end;
    }
    return found;
  }

  #cut(
    file: FileHandle,
    range: { readonly start: number; readonly end: number },
    wanted: {
      readonly parameters: ChunkerParameters;
      readonly lengths: ReadonlySet<number>;
      readonly found: FoundChunks;
    },
  ): void {
    const { memory } = this.#chunker;
    const { parameters, lengths, found } = wanted;
    let offset = range.start;
    let filled = 0;
    for (;;) {
      const upTo = Math.min(memory.length, range.end - offset);
      const read = this.#fill(file, { from: filled, upTo, position: offset + filled });
      const isEnd = read < upTo || offset + read >= range.end;
      let start = 0;
      while (start < read && (isEnd || read - start >= parameters.max)) {
        const length = this.#chunker.cut(parameters, start, read);
        if (lengths.has(length)) {
          const bytes = memory.subarray(start, start + length);
          found.add(this.#store.keys.hashers.data.digest(bytes, BLOB_ID_BYTES), offset + start);
        }
        start += length;
      }
      if (isEnd) return;
      memory.copyWithin(0, start, read);
      offset += start;
      filled = read - start;
    }
  }

  /** How far the memory is filled then. */
  #fill(file: FileHandle, range: { readonly from: number; readonly upTo: number; readonly position: number }): number {
    const { memory } = this.#chunker;
    let at = range.from;
    while (at < range.upTo) {
      const position = range.position + at - range.from;
      const count = this.#fileSystem.read(file, memory, { offset: at, length: range.upTo - at, position });
      if (count === 0) break;
      at += count;
    }
    return at;
  }
}

/** The class that pieces of these lengths are cut by. The file on disk may be of another one by its name or its size. */
function parametersOf(lengths: ReadonlySet<number>): ChunkerParameters {
  const longest = Math.max(...lengths);
  if (longest > CHUNK_SMALL_BYTES_MAX) return chunkerParameters({ name: 'large', pageBytes: 0 });
  const isPage = longest >= CHUNK_PAGE_BYTES_MIN && (longest & (longest - 1)) === 0;
  // All of a database are alike, but for the last one of its file.
  if (isPage && lengths.size <= 2) return chunkerParameters({ name: 'pages', pageBytes: longest });
  return chunkerParameters({ name: 'small', pageBytes: 0 });
}
