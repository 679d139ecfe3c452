/** Long synchronous work as a generator that yields now and then, so that a caller may pause there. */

/** Entries between two pauses: some 25 ms. */
export const LIST_SLICE_ENTRIES = 16_384;

/** Does all of it without a pause. */
export function atOnce<T>(slices: Generator<undefined, T>): T {
  for (;;) {
    const next = slices.next();
    if (next.done === true) return next.value;
  }
}

/** Sorted by bytes; the array that was given is used up. */
export function* sortInSlices(names: Buffer[]): Generator<undefined, Buffer[]> {
  if (names.length <= LIST_SLICE_ENTRIES) return names.sort(Buffer.compare);
  let runs: Buffer[][] = [];
  for (let at = 0; at < names.length; at += LIST_SLICE_ENTRIES) {
    runs.push(names.slice(at, at + LIST_SLICE_ENTRIES).sort(Buffer.compare));
    yield;
  }
  while (runs.length > 1) {
    const merged: Buffer[][] = [];
    for (let at = 0; at < runs.length; at += 2) merged.push(yield* merge(runs[at] ?? [], runs[at + 1] ?? []));
    runs = merged;
  }
  return runs[0] ?? [];
}

function* merge(a: readonly Buffer[], b: readonly Buffer[]): Generator<undefined, Buffer[]> {
  const merged: Buffer[] = [];
  let atA = 0;
  let atB = 0;
  while (atA < a.length || atB < b.length) {
    const [first, second] = [a[atA], b[atB]];
    const takesFirst = second === undefined || (first !== undefined && Buffer.compare(first, second) <= 0);
    const next = takesFirst ? first : second;
    if (takesFirst) atA++;
    else atB++;
    if (next !== undefined) merged.push(next);
    if (merged.length % LIST_SLICE_ENTRIES === 0) yield;
  }
  return merged;
}
