/** Index segments as files: reading one, and writing as many as some packs need. */

import type { IndexSegmentId } from '../base/ids.ts';
import { INDEX_SEGMENT_BLOBS_MAX, INDEX_SEGMENT_PACKS_MAX } from '../base/limits.ts';
import {
  decodeIndexSegment,
  encodeIndexSegment,
  type IndexedPack,
  type IndexedPackHeader,
} from '../format/pack-header.ts';
import { loadRecord, type Store, saveRecord } from './sealed-files.ts';

/** A pack with the number of its blobs. */
export type CountedPack = IndexedPack & { readonly blobs: number };

export interface SavedSegments {
  readonly bytes: number;
  readonly ids: readonly IndexSegmentId[];
}

/** OBJECT_MISSING, OBJECT_CORRUPT, OBJECT_UNREADABLE. */
export async function loadSegment(store: Store, id: IndexSegmentId): Promise<IndexedPackHeader[]> {
  return decodeIndexSegment(await loadRecord(store, 'index', id), `index segment ${id}`);
}

/** Writes segments that name `packs`; they are durable when this returns. */
export async function saveSegments(store: Store, packs: readonly CountedPack[]): Promise<SavedSegments> {
  let bytes = 0;
  const ids: IndexSegmentId[] = [];
  let group: IndexedPack[] = [];
  let blobs = 0;
  const flush = async (): Promise<void> => {
    if (group.length === 0) return;
    const saved = await saveRecord(store, 'index', encodeIndexSegment(group));
    bytes += saved.bytes;
    ids.push(saved.id as IndexSegmentId);
    group = [];
    blobs = 0;
  };
  for (const pack of packs) {
    if (blobs + pack.blobs > INDEX_SEGMENT_BLOBS_MAX || group.length >= INDEX_SEGMENT_PACKS_MAX) await flush();
    group.push(pack);
    blobs += pack.blobs;
  }
  await flush();
  return { bytes, ids };
}
