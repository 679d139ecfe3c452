// Gear hash with normalised chunking, compiled to WebAssembly by build.mjs. Its plain twin is ../chunker-reference.ts.
//
// Memory: the gear table (256 x u64) lies at 0, the bytes to cut from DATA on. The hash takes two bytes a step, so that
// the chain of dependent operations is one shift and one addition for both; after each byte it is compared with the mask.

const DATA: usize = 2048;

export function cut(start: u32, end: u32, min: u32, normal: u32, max: u32, hard: u64, easy: u64): u32 {
  const length: u32 = end - start;
  if (length <= min) return length;
  const last: u32 = length < max ? length : max;
  const middle: u32 = last < normal ? last : normal;
  const base: usize = DATA + start;
  let hash: u64 = 0;
  let at: u32 = min;

  while (at + 1 < middle) {
    const a = load<u64>(<usize>load<u8>(base + at) << 3);
    const b = load<u64>(<usize>load<u8>(base + at, 1) << 3);
    const first = (hash << 1) + a;
    if ((first & hard) == 0) return at + 1;
    hash = (hash << 2) + ((a << 1) + b);
    if ((hash & hard) == 0) return at + 2;
    at += 2;
  }
  while (at < middle) {
    hash = (hash << 1) + load<u64>(<usize>load<u8>(base + at) << 3);
    at += 1;
    if ((hash & hard) == 0) return at;
  }
  while (at + 1 < last) {
    const a = load<u64>(<usize>load<u8>(base + at) << 3);
    const b = load<u64>(<usize>load<u8>(base + at, 1) << 3);
    const first = (hash << 1) + a;
    if ((first & easy) == 0) return at + 1;
    hash = (hash << 2) + ((a << 1) + b);
    if ((hash & easy) == 0) return at + 2;
    at += 2;
  }
  while (at < last) {
    hash = (hash << 1) + load<u64>(<usize>load<u8>(base + at) << 3);
    at += 1;
    if ((hash & easy) == 0) return at;
  }
  return last;
}
