/** The chunker in plain TypeScript: slow, clear, and what the fast one is tested against. */

import type { ChunkerParameters } from './chunker-parameters.ts';

/** Length of the chunk that begins at `start`; as Chunker.cut. */
export function cutReference(
  gearTable: Buffer,
  bytes: Buffer,
  range: { start: number; end: number },
  parameters: ChunkerParameters,
): number {
  const { min, normal, max, hardMask, easyMask } = parameters;
  const length = range.end - range.start;
  if (length <= min) return length;
  const last = Math.min(length, max);
  let hash = 0n;
  for (let at = min; at < last; at++) {
    const byte = bytes[range.start + at] ?? 0;
    hash = BigInt.asUintN(64, (hash << 1n) + gearTable.readBigUInt64LE(byte * 8));
    if ((hash & (at < normal ? hardMask : easyMask)) === 0n) return at + 1;
  }
  return last;
}
