/** Looking names up in a listing. */

/** Number of a name in a list that is sorted by the bytes of its names. */
export function indexOfName(names: readonly Buffer[], name: Buffer): number | undefined {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const order = names[middle]?.compare(name) ?? 0;
    if (order === 0) return middle;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return undefined;
}
