/** Decides what becomes of each pack: kept, dropped, or its live blobs copied to new packs. Pure: no I/O, no clock. */

import { PACK_SMALL_BYTES } from '../../base/limits.ts';
import type { PackUsage } from '../../repository/survey.ts';

/** Some share of what is kept (0.05 is 5 percent), or bytes. */
export type UnusedLimit = { readonly share: number } | { readonly bytes: number };

export interface PlanOptions {
  /** What may stay in packs without being reachable. */
  readonly maxUnused: UnusedLimit;
  /** Bytes of packs that are repacked at most. */
  readonly maxRepackBytes?: number | undefined;
}

export interface PlanTotals {
  readonly packs: number;
  readonly bytes: number;
}

/** `drop` and `repack` hold the positions of packs in what was given. Bytes are those of pack files. */
export interface PrunePlan {
  readonly drop: readonly number[];
  readonly repack: readonly number[];
  readonly kept: PlanTotals;
  readonly dropped: PlanTotals;
  readonly repacked: PlanTotals;
  /** What of the repacked packs is written again, as far as it can be told. */
  readonly bytesRewritten: number;
  /** What stays without being reachable. */
  readonly bytesUnused: number;
}

interface Candidate {
  readonly number: number;
  readonly pack: PackUsage;
  readonly unused: number;
}

/** Stored bytes of a pack that nobody needs, as far as plaintext lengths tell. */
function unusedBytes(pack: PackUsage): number {
  if (pack.plainBytes === 0) return pack.liveBlobs === 0 ? pack.bytes : 0;
  return Math.round(pack.bytes * (1 - pack.liveBytes / pack.plainBytes));
}

/**
 * A pack without a live blob is dropped; one that holds nothing but duplicates is repacked, so that the copy that stays
 * is read before this one goes. Of the others those that waste most are repacked, until what is left unused is within its
 * limit; and small packs are merged once they make a pack that is not small.
 */
export function planPrune(packs: Iterable<PackUsage>, options: PlanOptions): PrunePlan {
  const drop: number[] = [];
  const wasteful: Candidate[] = [];
  const small: Candidate[] = [];
  const kept = { packs: 0, bytes: 0 };
  const dropped = { packs: 0, bytes: 0 };
  let usedBytes = 0;
  let unusedTotal = 0;
  let number = -1;
  for (const pack of packs) {
    number++;
    if (pack.liveBlobs === 0 && pack.duplicateBlobs === 0) {
      drop.push(number);
      dropped.packs++;
      dropped.bytes += pack.bytes;
      continue;
    }
    kept.packs++;
    kept.bytes += pack.bytes;
    const unused = unusedBytes(pack);
    usedBytes += pack.bytes - unused;
    unusedTotal += unused;
    if (unused > 0 || pack.liveBlobs === 0) wasteful.push({ number, pack, unused });
    else if (pack.bytes < PACK_SMALL_BYTES) small.push({ number, pack, unused });
  }
  const chosen = chooseRepacked({ wasteful, small, usedBytes, unusedTotal }, options);
  const repacked = { packs: chosen.length, bytes: chosen.reduce((sum, { pack }) => sum + pack.bytes, 0) };
  const unusedGone = chosen.reduce((sum, { unused }) => sum + unused, 0);
  return {
    drop,
    repack: chosen.map((one) => one.number).sort((a, b) => a - b),
    kept: { packs: kept.packs - repacked.packs, bytes: kept.bytes - repacked.bytes },
    dropped,
    repacked,
    bytesRewritten: repacked.bytes - unusedGone,
    bytesUnused: unusedTotal - unusedGone,
  };
}

function chooseRepacked(
  found: {
    readonly wasteful: readonly Candidate[];
    readonly small: readonly Candidate[];
    readonly usedBytes: number;
    readonly unusedTotal: number;
  },
  options: PlanOptions,
): Candidate[] {
  const limit = unusedLimit(options.maxUnused, found.usedBytes);
  let room = options.maxRepackBytes ?? Number.POSITIVE_INFINITY;
  let unusedLeft = found.unusedTotal;
  const chosen: Candidate[] = [];
  const stay: Candidate[] = [];
  for (const candidate of [...found.wasteful].sort(mostWastefulFirst)) {
    const { pack, unused } = candidate;
    const needless = unusedLeft <= limit && pack.liveBlobs > 0;
    if (needless || pack.bytes > room) {
      stay.push(candidate);
      continue;
    }
    chosen.push(candidate);
    room -= pack.bytes;
    unusedLeft -= unused;
  }
  const small = [...stay.filter(({ pack }) => pack.bytes < PACK_SMALL_BYTES), ...found.small];
  for (const kind of ['data', 'tree'] as const) {
    const merged = mergedSmall(small, chosen, { kind, room });
    for (const candidate of merged) room -= candidate.pack.bytes;
    chosen.push(...merged);
  }
  return chosen;
}

/** The small packs of a kind, as far as there is room, if they make one that is not small. */
function mergedSmall(
  small: readonly Candidate[],
  chosen: readonly Candidate[],
  options: { readonly kind: PackUsage['kind']; readonly room: number },
): Candidate[] {
  let { room } = options;
  const merged: Candidate[] = [];
  for (const candidate of small) {
    if (candidate.pack.kind !== options.kind || candidate.pack.bytes > room) continue;
    merged.push(candidate);
    room -= candidate.pack.bytes;
  }
  const rewritten = (all: readonly Candidate[]): number =>
    all.reduce((sum, { pack, unused }) => sum + (pack.kind === options.kind ? pack.bytes - unused : 0), 0);
  return merged.length > 1 && rewritten(merged) + rewritten(chosen) >= PACK_SMALL_BYTES ? merged : [];
}

function mostWastefulFirst(a: Candidate, b: Candidate): number {
  const [aShare, bShare] = [a.unused / a.pack.bytes, b.unused / b.pack.bytes];
  return aShare === bShare ? a.number - b.number : bShare - aShare;
}

function unusedLimit(limit: UnusedLimit, usedBytes: number): number {
  if ('bytes' in limit) return limit.bytes;
  // Of all that is there afterwards, used and unused.
  return limit.share >= 1 ? Number.POSITIVE_INFINITY : (limit.share / (1 - limit.share)) * usedBytes;
}
