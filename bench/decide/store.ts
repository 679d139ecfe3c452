/** A model of the repository in memory: chunks that were not seen before go into frames, frames are compressed. */

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { KIB } from '../../engine/base/limits.ts';
import { Chunker, type ChunkerParameters } from '../../engine/codec/chunker.ts';
import { Compressor } from '../../engine/codec/compression.ts';
import { expandGearTable } from '../../engine/codec/gear.ts';
import { cpuMs } from '../measure.ts';

const FILE_BYTES_MAX = 128 * 1024 * KIB;
/** A new blob's id stands in its row or list, in the pack's header and in an index segment; its length in two of them. */
export const BLOB_OVERHEAD_BYTES = 3 * 16 + 2 * 3;
/** Tag, and a row in the header. */
const FRAME_OVERHEAD_BYTES = 16 + 12;
const MASK_BITS = 64n;

/** As the engine makes them from the normal size, with smallest and largest as factors of it. */
export function parametersFor(normal: number, factors = { min: 1 / 4, max: 4 }): ChunkerParameters {
  const mask = (bits: number): bigint => BigInt.asUintN(64, -1n << (MASK_BITS - BigInt(bits)));
  const bits = Math.round(Math.log2(normal));
  const [min, max] = [normal * factors.min, normal * factors.max];
  return { min, normal, max, hardMask: mask(bits + 1), easyMask: mask(bits - 2) };
}

export function fixedParameters(bytes: number): ChunkerParameters {
  return { min: bytes, normal: bytes, max: bytes, hardMask: 0n, easyMask: 0n };
}

export interface StoreOptions {
  readonly chunks: ChunkerParameters;
  readonly frameBytes: number;
  readonly level: number;
}

export class ModelStore {
  readonly #known = new Set<string>();
  readonly #chunker = new Chunker(expandGearTable(Buffer.alloc(32, 7)), FILE_BYTES_MAX);
  readonly #options: StoreOptions;
  readonly #compressor: Compressor;
  #open: Buffer[] = [];
  #openBytes = 0;
  /** All that has been stored, overhead included. */
  storedBytes = 0;
  plainBytes = 0;
  newBytes = 0;
  chunks = 0;
  frames = 0;
  compressMs = 0;
  cutMs = 0;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#compressor = new Compressor(options.level);
  }

  addFile(content: Buffer): void {
    content.copy(this.#chunker.memory);
    this.plainBytes += content.length;
    for (let at = 0; at < content.length; ) {
      const begunMs = cpuMs();
      const length = this.#chunker.cut(this.#options.chunks, at, content.length);
      this.cutMs += cpuMs() - begunMs;
      this.#addChunk(content.subarray(at, at + length));
      at += length;
    }
  }

  #addChunk(chunk: Buffer): void {
    const id = createHash('sha256').update(chunk).digest('base64');
    if (this.#known.has(id)) return;
    this.#known.add(id);
    this.chunks += 1;
    this.newBytes += chunk.length;
    this.storedBytes += BLOB_OVERHEAD_BYTES;
    if (chunk.length >= this.#options.frameBytes / 2) {
      this.#seal([chunk]);
      return;
    }
    this.#open.push(chunk);
    this.#openBytes += chunk.length;
    if (this.#openBytes >= this.#options.frameBytes) this.finishFrame();
  }

  finishFrame(): void {
    if (this.#open.length > 0) this.#seal(this.#open);
    this.#open = [];
    this.#openBytes = 0;
  }

  #seal(chunks: readonly Buffer[]): void {
    const plain = Buffer.concat(chunks);
    const begunMs = cpuMs();
    const coded = this.#compressor.compress(plain);
    this.compressMs += cpuMs() - begunMs;
    this.storedBytes += (coded?.length ?? plain.length) + FRAME_OVERHEAD_BYTES;
    this.frames += 1;
  }

  addFolder(folder: string): void {
    for (const path of filesBelow(folder)) this.addFile(readFileSync(path));
    this.finishFrame();
  }
}

export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
