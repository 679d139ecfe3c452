/** Reads single blobs, trees and content lists, through a small cache of opened frames. */

import { EngineError, isEngineError } from '../base/errors.ts';
import type { BlobId } from '../base/ids.ts';
import { MIB } from '../base/limits.ts';
import type { BlobKind } from '../format/pack-header.ts';
import type { Content, ContentEntry, ListEntry } from '../format/row.ts';
import { type ContentList, decodeContentList, decodeTreePart, type TreePart } from '../format/tree-part.ts';
import type { ChunkIndex } from './chunk-index.ts';
import type { BlobLocation } from './chunk-table.ts';
import { type FrameAddress, FrameReader } from './frame-reader.ts';
import { loadPackHeader } from './pack-headers.ts';
import type { Store } from './sealed-files.ts';

const FRAME_CACHE_BYTES = 16 * MIB;

export class BlobReader {
  readonly #store: Store;
  readonly #index: ChunkIndex;
  readonly frames: FrameReader;
  /** Opened frames by pack and number, least recently used first. */
  readonly #cache = new Map<string, Buffer>();
  #cacheBytes = 0;

  constructor(store: Store, index: ChunkIndex) {
    this.#store = store;
    this.#index = index;
    this.frames = new FrameReader(store);
  }

  /** Plaintext of a blob, verified. A view into a cached frame: do not change it. */
  async read(kind: BlobKind, blobId: BlobId): Promise<Buffer> {
    const location = this.#index.find(blobId);
    if (location === undefined) return this.#readElsewhere(kind, blobId, undefined);
    try {
      return await this.#readAt(kind, blobId, location);
    } catch (error) {
      if (!isEngineError(error, 'OBJECT_CORRUPT') && !isEngineError(error, 'OBJECT_MISSING')) throw error;
      return this.#readElsewhere(kind, blobId, error);
    }
  }

  /** The blob without waiting, where its frame is cached; else undefined. */
  readCached(kind: BlobKind, blobId: BlobId): Buffer | undefined {
    const location = this.#index.find(blobId);
    if (location === undefined) return undefined;
    const plain = this.#cache.get(cacheKey(this.#index.frame(location)));
    return plain === undefined ? undefined : this.#cut(kind, blobId, { plain, location });
  }

  async #readAt(kind: BlobKind, blobId: BlobId, location: BlobLocation): Promise<Buffer> {
    const plain = await this.#frame(this.#index.frame(location));
    return this.#cut(kind, blobId, { plain, location });
  }

  #cut(kind: BlobKind, blobId: BlobId, from: { readonly plain: Buffer; readonly location: BlobLocation }): Buffer {
    const { offset, length } = from.location;
    const bytes = from.plain.subarray(offset, offset + length);
    this.frames.verify(kind, blobId, bytes);
    return bytes;
  }

  async #frame(address: FrameAddress): Promise<Buffer> {
    const key = cacheKey(address);
    const cached = this.#cache.get(key);
    if (cached !== undefined) {
      this.#cache.delete(key);
      this.#cache.set(key, cached);
      return cached;
    }
    const plain = await this.frames.read(address);
    this.#cache.set(key, plain);
    this.#cacheBytes += plain.length;
    for (const [oldest, bytes] of this.#cache) {
      if (this.#cacheBytes <= FRAME_CACHE_BYTES || oldest === key) break;
      this.#cache.delete(oldest);
      this.#cacheBytes -= bytes.length;
    }
    return plain;
  }

  /** A blob may be stored twice (trap 26): before it is given up, every other pack is asked. */
  async #readElsewhere(kind: BlobKind, blobId: BlobId, first: unknown): Promise<Buffer> {
    for (const pack of this.#index.packs()) {
      if (pack.kind !== kind) continue;
      const found = await this.#readFromPack(pack.packId, kind, blobId).catch(() => undefined);
      if (found !== undefined) return found;
    }
    if (first !== undefined) throw first;
    throw new EngineError('OBJECT_MISSING', `Blob ${blobId.toString('hex')} is in no pack of the repository`);
  }

  async #readFromPack(packId: FrameAddress['packId'], kind: BlobKind, blobId: BlobId): Promise<Buffer | undefined> {
    const { table } = await loadPackHeader(this.#store, packId);
    for (let frame = 0; frame < table.frameCount; frame++) {
      const end = table.frameFirstBlob[frame + 1] ?? 0;
      for (let blob = table.frameFirstBlob[frame] ?? 0; blob < end; blob++) {
        const at = blob * blobId.length;
        if (table.blobIds.compare(blobId, 0, blobId.length, at, at + blobId.length) !== 0) continue;
        const plain = await this.frames.read({
          packId,
          kind,
          frame,
          offset: table.frameOffset[frame] ?? 0,
          sealedLength: table.frameSealedLength[frame] ?? 0,
          codedLength: table.frameCodedLength[frame] ?? 0,
          plainLength: table.framePlainLength[frame] ?? 0,
          codec: table.frameCodec[frame] ?? 0,
        });
        const location = { pack: 0, frame, offset: table.blobOffset[blob] ?? 0, length: table.blobLength[blob] ?? 0 };
        return this.#cut(kind, blobId, { plain, location });
      }
    }
    return undefined;
  }

  async loadTreePart(treeId: BlobId): Promise<TreePart> {
    return decodeTreePart(await this.read('tree', treeId), `tree ${treeId.toString('hex')}`);
  }

  /** All leaves of a directory, in order. */
  async *leaves(treeId: BlobId): AsyncGenerator<TreePart & { kind: 'leaf' }> {
    const part = await this.loadTreePart(treeId);
    if (part.kind === 'leaf') yield part;
    else for (const entry of part.entries) yield* this.leaves(entry.treeId);
  }

  async loadContentList(listId: BlobId): Promise<ContentList> {
    return decodeContentList(await this.read('tree', listId), `content list ${listId.toString('hex')}`);
  }

  /** Pieces of a file in order. `size` is the node's. */
  async *content(content: Content, size: number): AsyncGenerator<ContentEntry> {
    switch (content.kind) {
      case 'none':
      case 'tree':
        return;
      case 'single':
        yield { length: size, blobId: content.blobId };
        return;
      case 'list':
        yield* content.entries;
        return;
      case 'indirect':
        yield* this.#lists(content.entries);
    }
  }

  async *#lists(entries: readonly ListEntry[]): AsyncGenerator<ContentEntry> {
    for (const entry of entries) {
      const list = await this.loadContentList(entry.listId);
      let covered = 0;
      if ('entries' in list) {
        for (const piece of list.entries) {
          covered += piece.length;
          yield piece;
        }
      } else {
        for (const below of list.lists) covered += below.length;
        yield* this.#lists(list.lists);
      }
      if (covered !== entry.length) {
        const id = entry.listId.toString('hex');
        throw new EngineError(
          'OBJECT_CORRUPT',
          `Content list ${id} covers ${covered} bytes instead of ${entry.length}`,
        );
      }
    }
  }
}

function cacheKey(address: FrameAddress): string {
  return `${address.packId}/${address.frame}`;
}
