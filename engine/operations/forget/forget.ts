/**
 * Lets snapshots go: by a policy, or by name. What is forgotten is no longer listed, and can be brought back until prune
 * has removed its data.
 */

import { mapBounded } from '../../base/concurrency.ts';
import { EngineError, throwIfAborted } from '../../base/errors.ts';
import { SEALED_WRITES_AT_ONCE_MAX } from '../../base/limits.ts';
import { Zone } from '../../base/zone.ts';
import { encodeCanonicalJson, type Json, type JsonObject } from '../../format/canonical-json.ts';
import type { Annotations } from '../../repository/annotations.ts';
import { HeldLease } from '../../repository/leases.ts';
import type { Repository } from '../../repository/repository.ts';
import { flawsOf } from '../../repository/snapshot-flaws.ts';
import { matchesFilter, SHORT_ID_LENGTH, type Snapshot, type SnapshotFilter } from '../../repository/snapshots.ts';
import { type GroupBy, groupKeyOf, warnOfHosts } from './groups.ts';
import { planRetention, type RetentionGroup } from './plan-retention.ts';
import { describePolicy, policyJson, type RetentionPolicy, requirePolicy } from './policy.ts';

export interface ForgetOptions {
  /** What to keep. Either this or `snapshots`. */
  readonly policy?: RetentionPolicy | undefined;
  /** Ids, unique prefixes, `latest~N` or moments of those that are to go. */
  readonly snapshots?: readonly string[] | undefined;
  /** Which snapshots the policy is for; others are left alone. */
  readonly filter?: SnapshotFilter | undefined;
  /** Default: by label, those without one by their paths. */
  readonly groupBy?: GroupBy | undefined;
  /** IANA name of the zone whose days and weeks count; default: the one stored with the last policy, else this process's. */
  readonly zone?: string | undefined;
  /** Default: now. */
  readonly now?: Date | undefined;
  /** The very plan that would be carried out; nothing is written. */
  readonly dryRun?: boolean | undefined;
  /** Of snapshots that are named: also when no good one is left. */
  readonly allowRemoveAll?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ForgetResult {
  /** Groups that the policy was for, each with what stays and what went; of named snapshots only those that went. */
  readonly groups: readonly RetentionGroup[];
  /** Whose hours, days and weeks counted. */
  readonly zone: string;
  /** The policy in words; empty for snapshots that were named. */
  readonly policy: string;
  readonly kept: number;
  readonly removed: number;
  /** Sentences that a person should read: host names look random. */
  readonly warnings: readonly string[];
}

/**
 * Plans, and forgets unless it is a dry run. RETENTION_REFUSED for a policy that keeps nothing, a tag that no snapshot
 * has, a pinned snapshot, or when no good snapshot would be left; OBJECT_CORRUPT where one snapshot or annotation cannot
 * be read; SNAPSHOT_NOT_FOUND, REPOSITORY_LOCKED, INVALID_ARGUMENT, STORAGE_FAILED.
 */
export async function forget(repository: Repository, options: ForgetOptions): Promise<ForgetResult> {
  const { policy, snapshots: names = [] } = options;
  if (policy !== undefined && names.length > 0) {
    throw new EngineError('INVALID_ARGUMENT', 'Name the snapshots that are to go, or say what to keep, not both');
  }
  if (names.length === 0) requirePolicy(policy ?? {});
  if (options.dryRun === true) return (await planForget(repository, options)).result;
  await repository.probe();
  const lease = await HeldLease.acquire(repository, { verb: 'forget', exclusive: false });
  try {
    const plan = await planForget(repository, options);
    await execute(repository, plan, options.signal);
    return plan.result;
  } finally {
    await lease.release();
  }
}

interface ForgetPlan {
  readonly result: ForgetResult;
  readonly annotations: Annotations;
  /** What is stored as the policy that was applied last. */
  readonly retention: JsonObject | undefined;
}

async function planForget(repository: Repository, options: ForgetOptions): Promise<ForgetPlan> {
  const { snapshots: all, annotations } = await repository.snapshots.listSound();
  const listed = all.filter(({ forgotten }) => !forgotten);
  const names = options.snapshots ?? [];
  const zone = zoneOf(options, annotations.valueOf('retention'));
  if (names.length > 0) {
    const groups = await planNamed(repository, listed, options);
    return { result: resultOf(groups, { zone, policy: '', warnings: [] }), annotations, retention: undefined };
  }
  const { policy = {}, filter = {}, groupBy } = options;
  requireKnownTags(listed, [...(policy.keepTags ?? []), ...(filter.tags ?? [])]);
  const subject = listed.filter((snapshot) => matchesFilter(snapshot, filter));
  const nowMs = (options.now ?? new Date()).getTime();
  const groups = planRetention(subject, { policy, zone, nowMs, groupBy });
  for (const group of groups) requireSomeLeft(group);
  const warning = warnOfHosts(subject, groupBy);
  const warnings = warning === undefined ? [] : [warning];
  return {
    result: resultOf(groups, { zone, policy: describePolicy(policy), warnings }),
    annotations,
    retention: { ...policyJson(policy), zone: zone.name, groupBy: groupBy === undefined ? null : [...groupBy] },
  };
}

/** Two machines in different zones must not thin out by different days, so the zone of the first policy stays. */
function zoneOf(options: ForgetOptions, stored: Json | undefined): Zone {
  if (options.zone !== undefined) return new Zone(options.zone);
  const isObject = typeof stored === 'object' && stored !== null && !Array.isArray(stored);
  const name = isObject ? (stored as JsonObject)['zone'] : undefined;
  return typeof name === 'string' ? new Zone(name) : Zone.local();
}

function resultOf(
  groups: readonly RetentionGroup[],
  facts: { readonly zone: Zone; readonly policy: string; readonly warnings: readonly string[] },
): ForgetResult {
  const count = (which: 'keep' | 'remove'): number => groups.reduce((sum, group) => sum + group[which].length, 0);
  return { groups, ...facts, zone: facts.zone.name, kept: count('keep'), removed: count('remove') };
}

/** A tag that no snapshot has is a typing error, and what it was to protect would go (trap 21). */
function requireKnownTags(snapshots: readonly Snapshot[], tags: readonly string[]): void {
  if (snapshots.length === 0) return;
  const known = new Set(snapshots.flatMap((snapshot) => snapshot.tags));
  const unknown = tags.filter((tag) => !known.has(tag));
  if (unknown.length === 0) return;
  const some = [...known].sort().slice(0, 10).join(', ');
  throw new EngineError(
    'RETENTION_REFUSED',
    `No snapshot has the tag ${unknown.map((tag) => `"${tag}"`).join(', ')}, so nothing was forgotten. ${some === '' ? 'No snapshot has any' : `There are: ${some}`}`,
  );
}

/** The planner keeps the newest of each group; that it did is looked at once more before anything goes. */
function requireSomeLeft(group: RetentionGroup): void {
  const hasGood = group.keep.some(({ flaws }) => flaws.length === 0);
  const losesGood = group.remove.some(({ flaws }) => flaws.length === 0);
  if (group.keep.length > 0 && (hasGood || !losesGood)) return;
  throw new EngineError(
    'RETENTION_REFUSED',
    `The policy would remove every good snapshot of a group (${JSON.stringify(group.key)}); nothing was forgotten`,
  );
}

async function planNamed(
  repository: Repository,
  listed: readonly Snapshot[],
  options: ForgetOptions,
): Promise<RetentionGroup[]> {
  const wanted = new Set<string>();
  for (const name of options.snapshots ?? []) wanted.add((await repository.snapshots.find(name, options.filter)).id);
  const going = listed.filter(({ id }) => wanted.has(id));
  const pinned = going.find((snapshot) => snapshot.pinned);
  if (pinned !== undefined) {
    const id = pinned.id.slice(0, SHORT_ID_LENGTH);
    throw new EngineError(
      'RETENTION_REFUSED',
      `Snapshot ${id} is pinned, so nothing was forgotten. "snap pin --remove ${id}" takes the pin away`,
    );
  }
  const isGood = (snapshot: Snapshot): boolean => flawsOf(snapshot).length === 0;
  const staying = listed.filter(({ id }) => !wanted.has(id));
  const losesAll = staying.length === 0 || (going.some(isGood) && !staying.some(isGood));
  if (losesAll && options.allowRemoveAll !== true) {
    throw new EngineError(
      'RETENTION_REFUSED',
      'No good snapshot would be left, so nothing was forgotten. --unsafe-allow-remove-all does it all the same',
    );
  }
  const groups = new Map<string, RetentionGroup & { readonly remove: RetentionGroup['remove'][number][] }>();
  for (const snapshot of going) {
    const key = groupKeyOf(snapshot, options.groupBy);
    const text = JSON.stringify(key);
    const group = groups.get(text) ?? { key, keep: [], remove: [] };
    groups.set(text, group);
    group.remove.unshift({ snapshot, flaws: flawsOf(snapshot), reasons: [] });
  }
  return [...groups.values()];
}

async function execute(repository: Repository, plan: ForgetPlan, signal: AbortSignal | undefined): Promise<void> {
  const { annotations, retention, result } = plan;
  if (retention !== undefined && !isSame(retention, annotations.valueOf('retention'))) {
    await annotations.add(repository, { kind: 'retention', snapshot: undefined, value: retention });
  }
  const going = result.groups.flatMap((group) => group.remove);
  await mapBounded(going, SEALED_WRITES_AT_ONCE_MAX, async ({ snapshot }) => {
    throwIfAborted(signal);
    await annotations.add(repository, { kind: 'forgotten', snapshot: snapshot.id, value: true });
  });
}

function isSame(a: Json, b: Json | undefined): boolean {
  return b !== undefined && encodeCanonicalJson(a).equals(encodeCanonicalJson(b));
}
