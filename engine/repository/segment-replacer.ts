/**
 * Replaces index segments: by others that do not name certain packs, and many small ones by few. The new one is durable
 * before the old one goes, so at every moment all packs that stay are named (trap 4).
 */

import type { IndexSegmentId } from '../base/ids.ts';
import { INDEX_SEGMENT_BLOBS_MAX, INDEX_SEGMENTS_SMALL_MAX } from '../base/limits.ts';
import type { IndexedPackHeader } from '../format/pack-header.ts';
import type { ChunkIndex } from './chunk-index.ts';
import type { CountedPack } from './segment-files.ts';

export interface ReplaceOptions {
  /** True for the number of a pack that is to be named no more. */
  readonly isGone: (pack: number) => boolean;
  /** Merges small segments too. */
  readonly merges: boolean;
  /** No others are touched. Default: all. */
  readonly only?: ReadonlySet<IndexSegmentId> | undefined;
}

/**
 * Works on the segments that lay there at the last refresh of the index. OBJECT_CORRUPT where one that is to be replaced
 * cannot be read: it stays, and so do all packs.
 */
export async function replaceSegments(index: ChunkIndex, options: ReplaceOptions): Promise<void> {
  const affected: IndexSegmentId[] = [];
  const small: IndexSegmentId[] = [];
  for (const [id, packs] of index.segments()) {
    if (options.only?.has(id) === false) continue;
    if (packs.some(options.isGone)) affected.push(id);
    else if (blobsOf(index, packs) < INDEX_SEGMENT_BLOBS_MAX / 2) small.push(id);
  }
  const merged = options.merges && small.length > INDEX_SEGMENTS_SMALL_MAX ? small : [];
  const replacer = new Replacer(index, options.isGone);
  for (const id of affected) await replacer.take(id);
  for (const id of merged) await replacer.take(id);
  await replacer.finish();
}

function blobsOf(index: ChunkIndex, packs: Uint32Array): number {
  return packs.reduce((sum, pack) => sum + index.blobCountOf(pack), 0);
}

class Replacer {
  readonly #index: ChunkIndex;
  readonly #isGone: (pack: number) => boolean;
  #packs: CountedPack[] = [];
  #blobs = 0;
  /** Segments all of whose packs are in #packs, or named by new segments, or gone. */
  #old: IndexSegmentId[] = [];
  /** Packs that new segments name. */
  readonly #named = new Set<string>();
  /** Segments that were written: never removed, although one of the old ones may have had the very same record. */
  readonly #written = new Set<IndexSegmentId>();

  constructor(index: ChunkIndex, isGone: (pack: number) => boolean) {
    this.#index = index;
    this.#isGone = isGone;
  }

  async take(id: IndexSegmentId): Promise<void> {
    const packs = await this.#index.loadSegment(id);
    const blobs = packs.reduce((sum, { table }) => sum + table.blobCount, 0);
    if (this.#blobs > 0 && this.#blobs + blobs > INDEX_SEGMENT_BLOBS_MAX) await this.finish();
    for (const pack of packs) this.#add(pack);
    this.#old.push(id);
  }

  #add({ packId, packLength, headerRecord, table }: IndexedPackHeader): void {
    const number = this.#index.numberOf(packId);
    if (this.#named.has(packId) || (number !== undefined && this.#isGone(number))) return;
    this.#named.add(packId);
    this.#packs.push({ packId, packLength, headerRecord, blobs: table.blobCount });
    this.#blobs += table.blobCount;
  }

  /** Writes what was taken, and then removes where it came from. */
  async finish(): Promise<void> {
    const { ids } = await this.#index.save(this.#packs);
    for (const id of ids) this.#written.add(id);
    this.#packs = [];
    this.#blobs = 0;
    const old = this.#old;
    this.#old = [];
    for (const id of old) if (!this.#written.has(id)) await this.#index.removeSegment(id);
  }
}
