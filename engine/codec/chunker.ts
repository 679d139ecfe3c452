/**
 * Content-defined chunking in WebAssembly. Files are read straight into its memory. A cut point depends on the bytes
 * since the last one alone, so a file may be cut in steps by different workers.
 */

import { readFileSync } from 'node:fs';
import { EngineError } from '../base/errors.ts';
import type { ChunkerParameters } from './chunker-parameters.ts';
import { GEAR_TABLE_BYTES } from './gear.ts';
import { WebAssembly } from './webassembly.ts';

export { type ChunkerParameters, chunkerParameters } from './chunker-parameters.ts';

const WASM_PAGE_BYTES = 65_536;

type CutFunction = (
  start: number,
  end: number,
  min: number,
  normal: number,
  max: number,
  hard: bigint,
  easy: bigint,
) => number;

export class Chunker {
  /** Bytes to cut; `capacityBytes` long. Never moves. */
  readonly memory: Buffer;
  readonly #cut: CutFunction;

  constructor(gearTable: Buffer, capacityBytes: number) {
    const pages = Math.ceil((GEAR_TABLE_BYTES + capacityBytes) / WASM_PAGE_BYTES);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    gearTable.copy(Buffer.from(memory.buffer, 0, GEAR_TABLE_BYTES));
    this.memory = Buffer.from(memory.buffer, GEAR_TABLE_BYTES, capacityBytes);
    const module = new WebAssembly.Module(readFileSync(new URL('./chunker.wasm', import.meta.url)));
    const cut = new WebAssembly.Instance(module, { env: { memory } }).exports['cut'];
    if (typeof cut !== 'function') throw new EngineError('INTERNAL', 'chunker.wasm has no function "cut"');
    this.#cut = cut as CutFunction;
  }

  /**
   * Length of the chunk that begins at `start`, given the bytes up to `end`. Where no cut point is found before `end`
   * this is end - start: final at the end of a file; anywhere else the caller offers `max` bytes or more behind start.
   */
  cut(parameters: ChunkerParameters, start: number, end: number): number {
    const { min, normal, max, hardMask, easyMask } = parameters;
    if (end - start <= min) return end - start;
    return this.#cut(start, end, min, normal, max, hardMask, easyMask);
  }
}
