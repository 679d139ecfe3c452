/** Lengths that say less: rounded up so that about eight bits of them stay. */

/** The next multiple of max(unit, 2^floor(log2 n) / 256) at or above `length`. */
export function paddedLength(length: number, unit = 4096): number {
  const step = Math.max(unit, 2 ** Math.floor(Math.log2(Math.max(1, length))) / 256);
  return Math.ceil(length / step) * step;
}
