/** Frees space: finds what no snapshot needs, decides, and carries that out beside whoever else is at work. */

import { EngineError, errnoCode, isEngineError } from '../../base/errors.ts';
import { RESERVE_BYTES } from '../../base/limits.ts';
import { readableLeases } from '../../repository/clocks.ts';
import { HeldLease, isLeaseAlive, type Lease } from '../../repository/leases.ts';
import { markedPacks } from '../../repository/marks.ts';
import type { Repository } from '../../repository/repository.ts';
import { Survey } from '../../repository/survey.ts';
import { type Executed, executePrune } from './execute.ts';
import { MAX_UNUSED_DEFAULT, type PruneOptions, type PruneResult } from './options.ts';
import { livingOthers } from './others.ts';
import { type PrunePlan, planPrune } from './plan.ts';
import { loadRoots } from './roots.ts';

/**
 * Removes what no snapshot needs; `forget --prune` calls it too, once its own lease is released. Forgotten snapshots are
 * gone afterwards, unless runs that live wait for them. REPOSITORY_LOCKED where another prune runs, or with `now` anybody;
 * OBJECT_CORRUPT or OBJECT_MISSING, with nothing removed, where what is needed cannot be told; CLOCKS_DISAGREE;
 * LEASE_LOST; STORAGE_FAILED; INTERRUPTED. Whatever it throws, the repository is whole.
 */
export async function prune(repository: Repository, options: PruneOptions = {}): Promise<PruneResult> {
  requireOptions(options);
  if (options.dryRun === true) {
    const { plan } = await survey(repository, options, async () => {
      const nowMs = Date.now();
      return (await readableLeases(repository)).filter((lease) => isLeaseAlive(lease, nowMs));
    });
    return resultOf(plan, undefined);
  }
  try {
    return await pruneForReal(repository, options);
  } catch (error) {
    if (!isEngineError(error, 'STORAGE_FAILED') || errnoCode(error.cause) !== 'ENOSPC' || options.now === true)
      throw error;
    throw new EngineError(error.code, `${error.message}; "snap prune --now" frees a full disk`, error.cause);
  }
}

async function pruneForReal(repository: Repository, options: PruneOptions): Promise<PruneResult> {
  const lease = await acquire(repository, options);
  try {
    await repository.probe();
    await repository.backend.tidy(Date.now());
    const found = await survey(repository, options, () => livingOthers(repository, lease));
    const executed = await executePrune({ repository, lease, survey: found.survey, options }, found.plan);
    await repository.backend.reserve(RESERVE_BYTES);
    return resultOf(found.plan, executed);
  } finally {
    await lease.release();
  }
}

async function acquire(repository: Repository, options: PruneOptions): Promise<HeldLease> {
  const { backend } = repository;
  const free = options.now === true ? await backend.freeBytes() : undefined;
  // What is kept aside for this very case.
  if (free !== undefined && free < RESERVE_BYTES) await backend.reserve(0);
  return HeldLease.acquire(repository, { verb: 'prune', exclusive: options.now === true, alone: true });
}

async function survey(
  repository: Repository,
  options: PruneOptions,
  living: () => Promise<readonly Lease[]>,
): Promise<{ readonly survey: Survey; readonly plan: PrunePlan }> {
  const { monitor, signal } = options;
  const marked = await markedPacks(repository);
  let others: readonly Lease[] = [];
  const roots = await loadRoots(repository, async () => {
    others = await living();
    return others;
  });
  const made = await Survey.make(repository, { isMarked: (packId) => marked.has(packId), monitor, signal });
  await made.mark(roots.live);
  made.count();
  // Packs that no segment names yet may be those of a run that lives.
  const plan = planPrune(made.usages(others.length > 0), {
    maxUnused: options.maxUnused ?? MAX_UNUSED_DEFAULT,
    maxRepackBytes: await repackRoom(repository, options),
  });
  return { survey: made, plan };
}

/** On a disk that is nearly full nothing is copied that does not surely fit. */
async function repackRoom(repository: Repository, options: PruneOptions): Promise<number | undefined> {
  const free = options.now === true ? await repository.backend.freeBytes() : undefined;
  if (free === undefined) return options.maxRepackBytes;
  return Math.min(options.maxRepackBytes ?? Number.POSITIVE_INFINITY, free / 2);
}

function resultOf(plan: PrunePlan, executed: Executed | undefined): PruneResult {
  const bytesBefore = plan.kept.bytes + plan.dropped.bytes + plan.repacked.bytes;
  const packsGone = plan.dropped.packs + plan.repacked.packs;
  const bytesGone = executed?.bytesRemoved ?? plan.dropped.bytes + plan.repacked.bytes;
  const bytesAfter = bytesBefore - bytesGone + (executed?.bytesWritten ?? plan.bytesRewritten);
  return {
    plan,
    snapshotsRemoved: executed?.snapshotsRemoved ?? [],
    packsKept: plan.kept.packs,
    packsRepacked: plan.repacked.packs,
    packsMarked: executed?.packsMarked ?? 0,
    packsRemoved: executed?.packsRemoved ?? packsGone,
    bytesBefore,
    bytesAfter,
    bytesFreed: bytesBefore - bytesAfter,
  };
}

function requireOptions(options: PruneOptions): void {
  const { maxUnused, maxRepackBytes, graceMs } = options;
  const numbers = [maxRepackBytes, graceMs, maxUnused === undefined ? undefined : Object.values(maxUnused)[0]];
  if (numbers.every((number) => number === undefined || number >= 0)) return;
  throw new EngineError('INVALID_ARGUMENT', 'Limits of a prune cannot be negative');
}
