/**
 * What a file of a snapshot holds, or a part of it. Lists of pieces say how many bytes of the file they cover, so that a
 * range of a file of any length is found by reading the few lists that lead to it.
 */

import { EngineError, throwIfAborted } from '../base/errors.ts';
import { MIB } from '../base/limits.ts';
import type { ContentEntry, ListEntry } from '../format/row.ts';
import type { BlobReader } from './blob-reader.ts';
import type { FileContent, Piece } from './content-difference.ts';

/** Bytes of a file from `start` to before `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

const ZEROS = Buffer.alloc(MIB);

/** The pieces of a file that reach into a range, in order, each as it is. OBJECT_CORRUPT, OBJECT_MISSING. */
export async function* piecesWithin(
  blobs: BlobReader,
  { content, size }: FileContent,
  range: ByteRange,
): AsyncGenerator<Piece> {
  if (range.start >= range.end) return;
  switch (content.kind) {
    case 'none':
    case 'tree':
      return;
    case 'single':
      yield { offset: 0, length: size, blobId: content.blobId };
      return;
    case 'list':
      yield* entriesWithin(content.entries, 0, range);
      return;
    case 'indirect':
      yield* listsWithin(blobs, content.entries, { offset: 0, range });
  }
}

function* entriesWithin(entries: readonly ContentEntry[], first: number, range: ByteRange): Generator<Piece> {
  let end = first;
  for (const { length, blobId } of entries) {
    const offset = end;
    end += length;
    if (offset >= range.end) return;
    if (end > range.start) yield { offset, length, blobId };
  }
}

async function* listsWithin(
  blobs: BlobReader,
  lists: readonly ListEntry[],
  place: { readonly offset: number; readonly range: ByteRange },
): AsyncGenerator<Piece> {
  const { range } = place;
  let end = place.offset;
  for (const entry of lists) {
    const offset = end;
    end += entry.length;
    if (offset >= range.end) return;
    if (end <= range.start) continue;
    const list = await blobs.loadListOf(entry);
    if ('entries' in list) yield* entriesWithin(list.entries, offset, range);
    else yield* listsWithin(blobs, list.lists, { offset, range });
  }
}

/**
 * The bytes of a file, or of a range that lies in it, in order: each blob verified, holes as zeros. Pieces are views, not to
 * be changed. OBJECT_CORRUPT, OBJECT_MISSING, OBJECT_UNREADABLE; INTERRUPTED after the signal.
 */
export async function* readContent(
  blobs: BlobReader,
  file: FileContent,
  options: { readonly range?: ByteRange | undefined; readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<Buffer> {
  const { range = { start: 0, end: file.size }, signal } = options;
  for await (const { offset, length, blobId } of piecesWithin(blobs, file, range)) {
    throwIfAborted(signal);
    const from = Math.max(0, range.start - offset);
    const to = Math.min(length, range.end - offset);
    if (blobId === undefined) {
      for (let rest = to - from; rest > 0; rest -= ZEROS.length) yield ZEROS.subarray(0, Math.min(rest, ZEROS.length));
      continue;
    }
    const bytes = await blobs.read('data', blobId);
    if (bytes.length !== length) {
      const id = blobId.toString('hex');
      throw new EngineError('OBJECT_CORRUPT', `Blob ${id} has ${bytes.length} bytes where a file says ${length}`);
    }
    yield bytes.subarray(from, to);
  }
}
