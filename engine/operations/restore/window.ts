/**
 * A bounded part of a restore: files whose content is wanted, with the pieces of it. All of a window is read in the order
 * of the packs, then it is over; the next one is planned meanwhile.
 */

import { ByteWriter } from '../../base/bytes.ts';
import type { BlobId } from '../../base/ids.ts';
import { BLOB_ID_BYTES, blobIdAt } from '../../base/ids.ts';
import { WINDOW_FILES_MAX, WINDOW_SLICES_MAX } from '../../base/limits.ts';
import { readSize } from '../../base/stat.ts';
import { type Content, type ContentEntry, decodeRow, ROW_STAT_OFFSET, singleBlobOffset } from '../../format/row.ts';
import type { ChunkIndex } from '../../repository/chunk-index.ts';
import { ReadPlan } from '../../repository/read-plan.ts';
import type { Repository } from '../../repository/repository.ts';
import type { PendingLink } from './hard-links.ts';
import { PlainFiles, type PlainPlace } from './plain-files.ts';
import type { PlannedFile } from './planned-file.ts';
import type { WalkDirectory } from './walk-directory.ts';

/** The first window is small, so that the workers soon have something to do; each one after it is twice as large. */
const WINDOW_FILES_FIRST = 4096;

export type InlineContent = Exclude<Content, { kind: 'indirect' | 'tree' }>;

export interface MissingSlice {
  readonly file: PlannedFile;
  readonly position: number;
  readonly length: number;
  readonly blobId: BlobId;
}

/** Entries of a directory that the snapshot does not hold. */
export interface PendingRemoval {
  readonly directory: WalkDirectory;
  readonly names: readonly Buffer[];
}

export class Window {
  readonly #filesMax: number;
  readonly plan: ReadPlan;
  /** Files to be written without any piece: empty ones, and those that are all hole. */
  readonly bare: PlannedFile[] = [];
  readonly compares: PlannedFile[] = [];
  /** Files that are built from what lies in their places. */
  readonly reuses: PlannedFile[] = [];
  readonly links: PendingLink[] = [];
  /** What is to be taken away once the files of the window are there. */
  readonly removals: PendingRemoval[] = [];
  /** Directories whose walk is over, deepest first. */
  readonly walked: WalkDirectory[] = [];
  /** Slices that no pack is known to hold. */
  readonly missing: MissingSlice[] = [];
  /** Files whose last slice was counted here after others had been written by earlier windows. */
  readonly completed: PlannedFile[] = [];
  readonly plain = new PlainFiles();
  /** For each wish the number of its plain file, or of its piece with all bits turned over. */
  readonly #wishes: number[] = [];
  readonly #pieceFiles: PlannedFile[] = [];
  readonly #piecePositions: number[] = [];
  readonly #pieceIds = new ByteWriter(4096);
  #files = 0;
  #removed = 0;

  constructor(index: ChunkIndex, before: Window | undefined) {
    this.plan = new ReadPlan(index);
    this.#filesMax = before === undefined ? WINDOW_FILES_FIRST : Math.min(before.#filesMax * 2, WINDOW_FILES_MAX);
  }

  get full(): boolean {
    const entries = this.#files + this.links.length + this.walked.length + this.#removed;
    return entries >= this.#filesMax || this.plan.count + this.missing.length >= WINDOW_SLICES_MAX;
  }

  get fileCount(): number {
    return this.#files;
  }

  get isEmpty(): boolean {
    return this.#files + this.links.length + this.walked.length + this.completed.length === 0;
  }

  addFile(): void {
    this.#files++;
  }

  /** Names of a directory that go, in order. */
  remove(directory: WalkDirectory, names: readonly Buffer[]): void {
    this.#removed += names.length;
    this.removals.push({ directory, names });
  }

  compare(file: PlannedFile): void {
    this.#files++;
    this.compares.push(file);
  }

  reuse(file: PlannedFile): void {
    this.#files++;
    this.reuses.push(file);
  }

  addSlice(file: PlannedFile, piece: { position: number; length: number; blobId: BlobId }): void {
    file.slices++;
    const wish = this.plan.add(piece.blobId, piece.length);
    if (wish === undefined) {
      this.missing.push({ file, ...piece, blobId: Buffer.from(piece.blobId) as BlobId });
      return;
    }
    this.#wishes.push(~this.#pieceFiles.length);
    this.#pieceFiles.push(file);
    this.#piecePositions.push(piece.position);
    this.#pieceIds.raw(piece.blobId);
  }

  /** Adds the file whose row begins at `start`; false where it has to be planned like any other. */
  addPlain(place: PlainPlace, start: number): boolean {
    const { leaf } = place;
    const offset = singleBlobOffset(leaf, start);
    if (offset < 0) return false;
    const size = readSize(leaf, start + ROW_STAT_OFFSET);
    if (this.plan.add(blobIdAt(leaf, start + offset), size) === undefined) return false;
    this.#wishes.push(this.plain.add(place, start));
    this.#files++;
    return true;
  }

  /** Number of the plain file that a wish belongs to; -1 where it is a piece of another one. */
  plainFile(wish: number): number {
    return Math.max(-1, this.#wishes[wish] ?? -1);
  }

  /** The file of a wish that is a piece. */
  file(wish: number): PlannedFile {
    const file = this.#pieceFiles[~(this.#wishes[wish] ?? 0)];
    if (file === undefined) throw new RangeError(`Wish ${wish} of this window is no piece`);
    return file;
  }

  slice(wish: number): MissingSlice {
    const piece = ~(this.#wishes[wish] ?? 0);
    return {
      file: this.file(wish),
      position: this.#piecePositions[piece] ?? 0,
      length: this.plan.length(wish),
      blobId: blobIdAt(this.#pieceIds.backing, piece * BLOB_ID_BYTES),
    };
  }

  /** What a plain file wants, for a file of its own (PlainFiles.planned). */
  plainSlice(plain: number, file: PlannedFile): MissingSlice {
    const blobId = blobIdAt(file.row, singleBlobOffset(file.row, 0));
    return { file, position: 0, length: this.plain.size(plain), blobId };
  }
}

/** Adds the pieces that stand in the row itself. */
export function planInline(file: PlannedFile, content: InlineContent, window: Window): void {
  window.addFile();
  if (content.kind === 'single') {
    window.addSlice(file, { position: 0, length: file.size, blobId: content.blobId });
  } else if (content.kind === 'list') {
    let position = 0;
    for (const { length, blobId } of content.entries) {
      if (blobId !== undefined) window.addSlice(file, { position, length, blobId });
      position += length;
    }
  }
  file.planned = true;
  if (file.slices === 0) window.bare.push(file);
}

/** Adds pieces that have to be looked up; `next` gives the window behind a full one, or the same to go on in it. */
export async function planPieces(
  file: PlannedFile,
  pieces: AsyncIterable<ContentEntry>,
  windows: { readonly first: Window; readonly next: () => Promise<Window> },
): Promise<void> {
  let window = windows.first;
  window.addFile();
  let position = 0;
  for await (const { length, blobId } of pieces) {
    if (window.full) window = await windows.next();
    if (blobId !== undefined) window.addSlice(file, { position, length, blobId });
    position += length;
  }
  file.planned = true;
  if (file.slices === 0) window.bare.push(file);
  else if (window !== windows.first) window.completed.push(file);
}

/** Adds all content to one window, which may pass its bounds for this. Throws damage of what lists the pieces. */
export async function planContent(file: PlannedFile, window: Window, blobs: Repository['blobs']): Promise<void> {
  const { content } = decodeRow(file.row, 'a row');
  if (content.kind === 'tree') return;
  if (content.kind !== 'indirect') planInline(file, content, window);
  else {
    const windows = { first: window, next: () => Promise.resolve(window) };
    await planPieces(file, blobs.content(content, file.size), windows);
  }
}
