/**
 * A bounded part of a restore: files whose content is wanted, with the pieces of it. All of a window is read in the order
 * of the packs, then it is over; the next one is planned meanwhile.
 */

import { ByteWriter } from '../../base/bytes.ts';
import type { BlobId } from '../../base/ids.ts';
import { BLOB_ID_BYTES, blobIdAt } from '../../base/ids.ts';
import type { FileHandle } from '../../filesystem/types.ts';
import type { Content, ContentEntry, Node } from '../../format/row.ts';
import type { ChunkIndex } from '../../repository/chunk-index.ts';
import { ReadPlan } from '../../repository/read-plan.ts';
import type { LinkGroup, PendingLink } from './hard-links.ts';
import type { TargetDirectory } from './target-directories.ts';
import type { WalkDirectory } from './walk-directory.ts';

/** The first window is small, so that the workers soon have something to do; each one after it is twice as large. */
const WINDOW_FILES_FIRST = 4096;
/** Two windows are in memory at a time, with the row and the state of each file: larger ones cost memory and win nothing. */
const WINDOW_FILES_MAX = 8192;
const WINDOW_SLICES_MAX = 262_144;

export type InlineContent = Exclude<Content, { kind: 'indirect' | 'tree' }>;

/** A large file under its temporary name. */
export interface LargeFile {
  readonly name: Buffer;
  handle: FileHandle | undefined;
  pins: number;
}

export interface PlannedFile {
  readonly directory: TargetDirectory;
  /** Own bytes, or a view of a leaf that the window keeps. */
  readonly row: Buffer;
  readonly name: Buffer;
  readonly size: number;
  readonly group: LinkGroup | undefined;
  /** Names beside it that go before it comes: side files of the database that it replaces. */
  readonly sideFiles: readonly Buffer[];
  replaces: boolean;
  /** All its slices are counted. */
  planned: boolean;
  slices: number;
  slicesDone: number;
  state: 'open' | 'finished' | 'failed';
  large: LargeFile | undefined;
}

export interface MissingSlice {
  readonly file: PlannedFile;
  readonly position: number;
  readonly length: number;
  readonly blobId: BlobId;
}

export class Window {
  readonly #filesMax: number;
  readonly plan: ReadPlan;
  /** Files to be written without any piece: empty ones, and those that are all hole. */
  readonly bare: PlannedFile[] = [];
  readonly compares: PlannedFile[] = [];
  readonly links: PendingLink[] = [];
  /** Directories whose walk is over, deepest first. */
  readonly walked: WalkDirectory[] = [];
  /** Slices that no pack is known to hold. */
  readonly missing: MissingSlice[] = [];
  /** Files whose last slice was counted here after others had been written by earlier windows. */
  readonly completed: PlannedFile[] = [];
  readonly #wishFiles: PlannedFile[] = [];
  readonly #wishPositions: number[] = [];
  readonly #wishIds = new ByteWriter(4096);
  #files = 0;

  constructor(index: ChunkIndex, before: Window | undefined) {
    this.plan = new ReadPlan(index);
    this.#filesMax = before === undefined ? WINDOW_FILES_FIRST : Math.min(before.#filesMax * 2, WINDOW_FILES_MAX);
  }

  get full(): boolean {
    const entries = this.#files + this.links.length + this.walked.length;
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

  compare(file: PlannedFile): void {
    this.#files++;
    this.compares.push(file);
  }

  addSlice(file: PlannedFile, piece: { position: number; length: number; blobId: BlobId }): void {
    file.slices++;
    const wish = this.plan.add(piece.blobId, piece.length);
    if (wish === undefined) {
      this.missing.push({ file, ...piece, blobId: Buffer.from(piece.blobId) as BlobId });
      return;
    }
    this.#wishFiles.push(file);
    this.#wishPositions.push(piece.position);
    this.#wishIds.raw(piece.blobId);
  }

  file(wish: number): PlannedFile {
    const file = this.#wishFiles[wish];
    if (file === undefined) throw new RangeError(`No wish ${wish} in this window`);
    return file;
  }

  slice(wish: number): MissingSlice {
    return {
      file: this.file(wish),
      position: this.#wishPositions[wish] ?? 0,
      length: this.plan.length(wish),
      blobId: blobIdAt(this.#wishIds.backing, wish * BLOB_ID_BYTES),
    };
  }
}

export function plannedFile(
  place: { readonly directory: TargetDirectory; readonly row: Buffer; readonly group: LinkGroup | undefined },
  node: Node,
  options: { readonly replaces: boolean; readonly sideFiles: readonly Buffer[] },
): PlannedFile {
  return {
    ...place,
    ...options,
    name: node.name,
    size: node.size,
    planned: false,
    slices: 0,
    slicesDone: 0,
    state: 'open',
    large: undefined,
  };
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
