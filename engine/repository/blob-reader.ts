/** Reads single blobs, trees and content lists, through a small cache of opened frames. */

import { EngineError, isEngineError } from '../base/errors.ts';
import type { BlobId } from '../base/ids.ts';
import type { BlobKind } from '../format/pack-header.ts';
import type { Content, ContentEntry, ListEntry } from '../format/row.ts';
import { type ContentList, decodeContentList, decodeTreePart, type TreePart } from '../format/tree-part.ts';
import { isDamage } from './batch-reader.ts';
import type { ChunkIndex } from './chunk-index.ts';
import type { BlobLocation } from './chunk-table.ts';
import { FrameCache, type UseFrame } from './frame-cache.ts';
import { FrameReader } from './frame-reader.ts';
import type { Store } from './sealed-files.ts';

export class BlobReader {
  readonly #index: ChunkIndex;
  readonly frames: FrameReader;
  readonly #cache: FrameCache;
  #salvaged: Promise<void> | undefined;

  constructor(store: Store, index: ChunkIndex) {
    this.#index = index;
    this.frames = new FrameReader(store);
    this.#cache = new FrameCache(this.frames);
  }

  /** Plaintext of a blob, verified. It may be a view into a cached frame: do not change it. */
  async read(kind: BlobKind, blobId: BlobId): Promise<Buffer> {
    const first = this.#index.find(blobId);
    if (first === undefined) return this.#readElsewhere(kind, blobId, undefined);
    try {
      return await this.readAt(kind, blobId, first);
    } catch (error) {
      if (!isDamage(error)) throw error;
      return this.#readElsewhere(kind, blobId, { location: first, error });
    }
  }

  /** The blob without waiting, where its frame is cached; else undefined. */
  readCached(kind: BlobKind, blobId: BlobId): Buffer | undefined {
    const location = this.#index.find(blobId);
    if (location === undefined) return undefined;
    return this.#cache.useCached(this.#index.frame(location), this.#cutter(kind, blobId, location));
  }

  /** One copy of a blob, verified; what other places it lies in is not looked at. */
  async readAt(kind: BlobKind, blobId: BlobId, location: BlobLocation): Promise<Buffer> {
    return this.#cache.use(this.#index.frame(location), this.#cutter(kind, blobId, location));
  }

  #cutter(kind: BlobKind, blobId: BlobId, { offset, length }: BlobLocation): UseFrame<Buffer> {
    return (plain, isReused) => {
      const view = plain.subarray(offset, offset + length);
      const bytes = isReused ? Buffer.from(view) : view;
      this.frames.verify(kind, blobId, bytes);
      return bytes;
    };
  }

  /**
   * A blob may be stored twice (trap 26): before it is given up, its other places are tried, then those that a prune may
   * have given it meanwhile, and then those in packs that
   * no index segment names, whose headers are read once.
   */
  async #readElsewhere(
    kind: BlobKind,
    blobId: BlobId,
    failed: { readonly location: BlobLocation; readonly error: EngineError } | undefined,
  ): Promise<Buffer> {
    const tried: BlobLocation[] = failed === undefined ? [] : [failed.location];
    for (const search of ['index', 'newer index', 'packs'] as const) {
      if (search === 'newer index') await this.#index.catchUp();
      if (search === 'packs') {
        this.#salvaged ??= this.#searchPacks();
        await this.#salvaged;
      }
      for (const location of this.#index.findAll(blobId)) {
        if (tried.some((other) => isSamePlace(other, location))) continue;
        tried.push(location);
        try {
          return await this.readAt(kind, blobId, location);
        } catch (error) {
          if (!isDamage(error)) throw error;
          failed ??= { location, error };
        }
      }
    }
    if (failed !== undefined) throw failed.error;
    throw new EngineError('OBJECT_MISSING', `Blob ${blobId.toString('hex')} is in no pack of the repository`);
  }

  /** Where not even a listing succeeds, what is known already has to do. */
  async #searchPacks(): Promise<void> {
    try {
      await this.#index.salvage();
    } catch (error) {
      if (!isEngineError(error, 'STORAGE_FAILED')) throw error;
    }
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
      const list = await this.loadListOf(entry);
      if ('entries' in list) yield* list.entries;
      else yield* this.#lists(list.lists);
    }
  }

  /** The content list that an entry stands for, which covers as many bytes as that says. OBJECT_CORRUPT, OBJECT_MISSING. */
  async loadListOf(entry: ListEntry): Promise<ContentList> {
    const list = await this.loadContentList(entry.listId);
    const below: readonly { readonly length: number }[] = 'entries' in list ? list.entries : list.lists;
    const covered = below.reduce((sum, { length }) => sum + length, 0);
    if (covered === entry.length) return list;
    const id = entry.listId.toString('hex');
    throw new EngineError('OBJECT_CORRUPT', `Content list ${id} covers ${covered} bytes instead of ${entry.length}`);
  }
}

function isSamePlace(a: BlobLocation, b: BlobLocation): boolean {
  return a.pack === b.pack && a.frame === b.frame && a.offset === b.offset;
}
