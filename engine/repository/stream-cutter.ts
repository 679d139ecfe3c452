/** Cuts a file that comes as a stream into chunks, as a file on disk would be cut. Never holds it as a whole. */

import { crc32 } from 'node:zlib';
import type { BlobId } from '../base/ids.ts';
import { CHUNK_LARGE_BYTES_MAX, MIB } from '../base/limits.ts';
import { Chunker, type ChunkerParameters, chunkerParameters } from '../codec/chunker.ts';
import { type FileClass, fileClass } from '../codec/file-class.ts';
import { RowCutter } from '../codec/row-cutter.ts';
import type { ContentEntry } from '../format/row.ts';

const MEMORY_BYTES = 8 * MIB + CHUNK_LARGE_BYTES_MAX;
const HEAD_BYTES = 512;

export interface StreamCutterOptions {
  readonly gearTable: Buffer;
  /** Names a chunk, and stores it where it is new. The bytes are a view that is used again. */
  readonly save: (bytes: Buffer) => BlobId;
  /** Awaited behind each chunk: bounds what is in memory. */
  readonly settle: () => Promise<void>;
  /** Compute the CRC-32 of whole files. */
  readonly checksums: boolean;
}

export interface CutOptions {
  /** Where it is known otherwise than from name, size and header. */
  readonly fileClass?: FileClass;
  /** Takes each piece in turn, so that none is kept for finish(). */
  readonly onEntry?: (entry: ContentEntry) => void;
}

export interface CutFile {
  readonly entries: readonly ContentEntry[];
  readonly size: number;
  /** Of a file without holes that is not empty, where it was asked for. */
  readonly crc32: number | undefined;
}

/** One file after the other: begin, add and hole in order, finish. */
export class StreamCutter {
  readonly #options: StreamCutterOptions;
  readonly #chunker: Chunker;
  readonly #rows: RowCutter;
  #name: Buffer = Buffer.alloc(0);
  #sizeHint = 0;
  #chosen: CutOptions = {};
  #parameters: ChunkerParameters | undefined;
  #entries: ContentEntry[] = [];
  #filled = 0;
  #size = 0;
  #crc = 0;
  #hasHoles = false;

  constructor(options: StreamCutterOptions) {
    this.#options = options;
    this.#chunker = new Chunker(options.gearTable, MEMORY_BYTES);
    this.#rows = new RowCutter(options.gearTable, this.#chunker);
  }

  /** `sizeHint` decides the class of a file as its size would; something fixed where the size is not known. */
  begin(name: Buffer, sizeHint: number, options: CutOptions = {}): void {
    this.#chosen = options;
    this.#name = name;
    this.#sizeHint = sizeHint;
    this.#parameters = undefined;
    this.#entries = [];
    this.#filled = 0;
    this.#size = 0;
    this.#crc = 0;
    this.#hasHoles = false;
  }

  async add(piece: Buffer): Promise<void> {
    const { memory } = this.#chunker;
    if (this.#options.checksums) this.#crc = crc32(piece, this.#crc);
    for (let at = 0; at < piece.length; ) {
      const taken = piece.copy(memory, this.#filled, at);
      this.#filled += taken;
      at += taken;
      if (this.#filled === memory.length) await this.#cut(CHUNK_LARGE_BYTES_MAX);
    }
  }

  /** A hole ends a chunk. */
  async hole(length: number): Promise<void> {
    if (length === 0) return;
    await this.#cut(0);
    this.#hasHoles = true;
    this.#parameters ??= this.#parametersFor(Buffer.alloc(HEAD_BYTES));
    this.#add({ length, blobId: undefined });
    this.#size += length;
  }

  async finish(): Promise<CutFile> {
    await this.#cut(0);
    const hasCrc = this.#options.checksums && !this.#hasHoles && this.#size > 0;
    return { entries: this.#entries, size: this.#size, crc32: hasCrc ? this.#crc : undefined };
  }

  #parametersFor(head: Buffer): ChunkerParameters {
    return chunkerParameters(this.#chosen.fileClass ?? fileClass(this.#name, this.#sizeHint, head));
  }

  #add(entry: ContentEntry): void {
    if (this.#chosen.onEntry === undefined) this.#entries.push(entry);
    else this.#chosen.onEntry(entry);
  }

  /** Cuts until no more than `keep` bytes are left, and moves those to the front. */
  async #cut(keep: number): Promise<void> {
    const { memory } = this.#chunker;
    this.#parameters ??=
      this.#filled === 0 ? undefined : this.#parametersFor(memory.subarray(0, Math.min(this.#filled, HEAD_BYTES)));
    let start = 0;
    while (this.#parameters !== undefined && start < this.#filled && this.#filled - start > keep) {
      const length =
        this.#chosen.fileClass?.name === 'rows'
          ? this.#rows.cut(start, this.#filled)
          : this.#chunker.cut(this.#parameters, start, this.#filled);
      const blobId = this.#options.save(memory.subarray(start, start + length));
      this.#add({ length, blobId });
      this.#size += length;
      start += length;
      await this.#options.settle();
    }
    memory.copyWithin(0, start, this.#filled);
    this.#filled -= start;
  }
}
