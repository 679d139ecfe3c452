/** Reads single blobs, trees and content lists, through a small cache of opened frames. */

import { EngineError, isEngineError } from '../base/errors.ts';
import type { BlobId, PackId } from '../base/ids.ts';
import type { BlobKind } from '../format/pack-header.ts';
import type { Content, ContentEntry, ListEntry } from '../format/row.ts';
import { type ContentList, decodeContentList, decodeTreePart, type TreePart } from '../format/tree-part.ts';
import { isDamage } from './batch-reader.ts';
import type { ChunkIndex } from './chunk-index.ts';
import type { BlobLocation } from './chunk-table.ts';
import { FrameCache, type UseFrame } from './frame-cache.ts';
import { type FrameAddress, FrameReader } from './frame-reader.ts';
import type { Store } from './sealed-files.ts';

/** Where a blob lies, in words that stay true whatever becomes of the index. */
interface BlobPlace {
  readonly frame: FrameAddress;
  readonly offset: number;
  readonly length: number;
}

interface FailedPlace {
  readonly place: BlobPlace;
  /** What is thrown where no other place has the blob. */
  readonly error: EngineError;
}

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
    const place = this.#placeOf(first);
    try {
      return await this.#readFrom(kind, blobId, place);
    } catch (error) {
      if (!isDamage(error)) throw error;
      return this.#readElsewhere(kind, blobId, { place, error });
    }
  }

  /** The blob without waiting, where its frame is cached; else undefined. */
  readCached(kind: BlobKind, blobId: BlobId): Buffer | undefined {
    const location = this.#index.find(blobId);
    if (location === undefined) return undefined;
    const place = this.#placeOf(location);
    return this.#cache.useCached(place.frame, this.#cutter(kind, blobId, place));
  }

  /** One copy of a blob, verified; what other places it lies in is not looked at. */
  async readAt(kind: BlobKind, blobId: BlobId, location: BlobLocation): Promise<Buffer> {
    return this.#readFrom(kind, blobId, this.#placeOf(location));
  }

  /** To be asked before anything is awaited: the index may be moved meanwhile, and a location then says nothing. */
  #placeOf(location: BlobLocation): BlobPlace {
    return { frame: this.#index.frame(location), offset: location.offset, length: location.length };
  }

  #readFrom(kind: BlobKind, blobId: BlobId, place: BlobPlace): Promise<Buffer> {
    return this.#cache.use(place.frame, this.#cutter(kind, blobId, place));
  }

  #cutter(kind: BlobKind, blobId: BlobId, { offset, length }: BlobPlace): UseFrame<Buffer> {
    return (plain, isReused) => {
      const view = plain.subarray(offset, offset + length);
      const bytes = isReused ? Buffer.from(view) : view;
      this.frames.verify(kind, blobId, bytes);
      return bytes;
    };
  }

  /**
   * A blob may be stored twice (trap 26): before it is given up, its other places are tried, then those that a prune may
   * have given it meanwhile, and then those in packs that no index segment names, whose headers are read once.
   */
  async #readElsewhere(kind: BlobKind, blobId: BlobId, first: FailedPlace | undefined): Promise<Buffer> {
    const tried = first === undefined ? [] : [first.place];
    const caughtUp = new Set<PackId | undefined>();
    let failed = first;
    let isSalvaged = false;
    for (;;) {
      const places = this.#index.findAll(blobId).map((location) => this.#placeOf(location));
      const place = places.find((one) => !tried.some((other) => isSamePlace(one, other)));
      const pack = failed?.place.frame.packId;
      if (place !== undefined) {
        tried.push(place);
        try {
          return await this.#readFrom(kind, blobId, place);
        } catch (error) {
          if (!isDamage(error)) throw error;
          failed = { place, error: failed?.error ?? error };
        }
      } else if (!caughtUp.has(pack)) {
        caughtUp.add(pack);
        await this.#index.catchUp(pack);
      } else if (!isSalvaged) {
        isSalvaged = true;
        this.#salvaged ??= this.#searchPacks();
        await this.#salvaged;
      } else {
        const id = blobId.toString('hex');
        throw failed?.error ?? new EngineError('OBJECT_MISSING', `Blob ${id} is in no pack of the repository`);
      }
    }
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

function isSamePlace(a: BlobPlace, b: BlobPlace): boolean {
  return a.frame.packId === b.frame.packId && a.frame.frame === b.frame.frame && a.offset === b.offset;
}
