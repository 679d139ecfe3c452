/** Chunk sizes and masks for each class of file; the twin and the fast chunker share them. */

import {
  CHUNK_LARGE_BYTES_MAX,
  CHUNK_LARGE_BYTES_MIN,
  CHUNK_LARGE_BYTES_NORMAL,
  CHUNK_SMALL_BYTES_MAX,
  CHUNK_SMALL_BYTES_MIN,
  CHUNK_SMALL_BYTES_NORMAL,
} from '../base/limits.ts';
import type { FileClass } from './file-class.ts';

/** Bytes; masks select the top bits of a 64-bit hash. Below `min` nothing is scanned; min = max is a fixed size. */
export interface ChunkerParameters {
  readonly min: number;
  readonly normal: number;
  readonly max: number;
  /** Up to `normal`. */
  readonly hardMask: bigint;
  /** Beyond it. */
  readonly easyMask: bigint;
}

/** One cut point in 2^bits bytes. The window is as long as the lowest bit is far from the bottom. */
function mask(bits: number): bigint {
  return BigInt.asUintN(64, -1n << BigInt(64 - bits));
}

function classParameters(min: number, normal: number, max: number): ChunkerParameters {
  // Chunks average about `normal`: one bit harder before it, two easier behind.
  const bits = Math.round(Math.log2(normal));
  return { min, normal, max, hardMask: mask(bits + 1), easyMask: mask(bits - 2) };
}

const SMALL = classParameters(CHUNK_SMALL_BYTES_MIN, CHUNK_SMALL_BYTES_NORMAL, CHUNK_SMALL_BYTES_MAX);
const LARGE = classParameters(CHUNK_LARGE_BYTES_MIN, CHUNK_LARGE_BYTES_NORMAL, CHUNK_LARGE_BYTES_MAX);

export function chunkerParameters(fileClass: FileClass): ChunkerParameters {
  // Of rows only those that are too long come here (row-cutter.ts).
  if (fileClass.name === 'small' || fileClass.name === 'rows') return SMALL;
  if (fileClass.name === 'large') return LARGE;
  const { pageBytes } = fileClass;
  return { min: pageBytes, normal: pageBytes, max: pageBytes, hardMask: 0n, easyMask: 0n };
}
