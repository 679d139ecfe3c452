/**
 * The night, put together: operations/night decides the order, and here its parts become the verbs, which never know of
 * each other. Belongs to index.ts, which hands it out.
 */

import { EngineError, errorMessage, isEngineError, type Problem } from './base/errors.ts';
import type { SnapshotId } from './base/ids.ts';
import { REHEARSAL_BYTES_DEFAULT } from './base/limits.ts';
import type { Monitor } from './base/monitor.ts';
import { backupAndCheck } from './checked.ts';
import type { BackupOptions, BackupResult } from './operations/backup/options.ts';
import type { CheckResult } from './operations/check/check.ts';
import { copy } from './operations/copy/copy.ts';
import type { CopyResult } from './operations/copy/options.ts';
import { type ForgetOptions, type ForgetResult, forget } from './operations/forget/forget.ts';
import { listEntries } from './operations/list.ts';
import { type NightSetting, type OpenNight, type PartVerb, runNight } from './operations/night/night.ts';
import type { NightPart, NightPlan, NightResult, PartReport } from './operations/night/options.ts';
import { type RehearsalResult, rehearse } from './operations/night/rehearse.ts';
import type { PruneOptions, PruneResult } from './operations/prune/options.ts';
import { prune } from './operations/prune/prune.ts';
import type { Repository } from './repository/repository.ts';

export interface NightOptions extends Omit<NightSetting, 'schedule'> {
  readonly schedule: Omit<NightSetting['schedule'], 'forgets' | 'copies'>;
  readonly open: () => Promise<Repository>;
  readonly copies: readonly { readonly location: string; readonly open: () => Promise<Repository> }[];
  readonly backup: BackupOptions;
  /** Databases that must be among those that were captured; one that is not is a problem. */
  readonly expectedDatabases?: readonly Buffer[] | undefined;
  /** Without a policy nothing is forgotten. */
  readonly forget?: Pick<ForgetOptions, 'policy' | 'filter' | 'groupBy' | 'zone'> | undefined;
  readonly prune?: Pick<PruneOptions, 'maxUnused'> | undefined;
  readonly rehearsalBytes?: number | undefined;
  readonly monitorOf: (part: NightPart) => Monitor;
}

export interface NightCopy {
  readonly location: string;
  readonly result: CopyResult | undefined;
  readonly error: EngineError | undefined;
}

/** What a part of a night answers: the result of its verb. */
export type NightDetails =
  | { readonly part: 'backup'; readonly result: BackupResult; readonly missingDatabases: readonly Buffer[] }
  | { readonly part: 'forget'; readonly result: ForgetResult }
  | { readonly part: 'prune'; readonly result: PruneResult }
  | { readonly part: 'check'; readonly result: CheckResult; readonly subset: string | undefined }
  | { readonly part: 'copy'; readonly copies: readonly NightCopy[] }
  | { readonly part: 'rehearsal'; readonly result: RehearsalResult; readonly snapshotId: SnapshotId };

const DAMAGE: ReadonlySet<string> = new Set(['OBJECT_CORRUPT', 'OBJECT_MISSING', 'OBJECT_UNREADABLE']);

/** The whole night. REPOSITORY_LOCKED while another one is under way on this machine; all else is in the result. */
export function night(options: NightOptions): Promise<NightResult<NightDetails>> {
  return runNight<NightDetails>(settingOf(options), async () => openNight(options, await options.open()));
}

/** What a night would do now. Nothing is opened, started or written. */
export async function planOfNight(options: NightOptions): Promise<NightPlan> {
  const { previewNight } = await import('./operations/night/night.ts');
  return previewNight(settingOf(options));
}

function settingOf({ schedule, ...rest }: NightOptions): NightSetting {
  const forgets = rest.forget !== undefined;
  return { ...rest, schedule: { ...schedule, forgets, copies: rest.copies.length } };
}

type Verb = PartVerb<NightDetails>;
type Report = Promise<PartReport<NightDetails>>;

function openNight(options: NightOptions, repository: Repository): OpenNight<NightDetails> {
  let rehearsed: SnapshotId | undefined;
  const monitorOf = (part: NightPart): Monitor => options.monitorOf(part);
  const verbs: { readonly [part in NightPart]: Verb } = {
    backup: async ({ signal }) => {
      const result = await backupAndCheck(repository, { ...options.backup, monitor: monitorOf('backup'), signal });
      rehearsed = result.snapshot?.id ?? result.parent;
      return backupReport(result, options.expectedDatabases ?? []);
    },
    forget: async ({ signal }) => {
      const result = await forget(repository, { ...options.forget, signal });
      return { status: 'done', details: { part: 'forget', result } };
    },
    prune: async ({ signal }) => {
      const result = await prune(repository, { ...options.prune, monitor: monitorOf('prune'), signal });
      return { status: 'done', details: { part: 'prune', result } };
    },
    check: async ({ signal, subset }) => {
      const { check } = await import('./operations/check/check.ts');
      const result = await check(repository, { readDataSubset: subset, monitor: monitorOf('check'), signal });
      return { status: result.errors.length > 0 ? 'damage' : 'done', details: { part: 'check', result, subset } };
    },
    copy: ({ signal }) => copyToAll(repository, options, signal),
    rehearsal: ({ signal, scratchPrefix }) =>
      rehearsal({ repository, options, snapshotId: rehearsed }, { signal, prefix: scratchPrefix }),
  };
  return { verbs, close: () => repository.close() };
}

function backupReport(result: BackupResult, expected: readonly Buffer[]): PartReport<NightDetails> {
  const missingDatabases = expected.filter((path) => !result.databases.some((one) => one.path.equals(path)));
  const details = { part: 'backup', result, missingDatabases } as const;
  if (result.damage.length > 0) return { status: 'damage', details };
  if (result.suspicion !== undefined) return { status: 'suspect', details };
  const hasProblems = result.problemCount > 0 || missingDatabases.length > 0;
  return { status: hasProblems ? 'problems' : 'done', details };
}

/** One repository that cannot be reached does not keep snapshots from the others. */
async function copyToAll(source: Repository, options: NightOptions, signal: AbortSignal | undefined): Report {
  const copies: NightCopy[] = [];
  for (const { location, open } of options.copies) {
    try {
      const target = await open();
      try {
        const result = await copy(source, target, { monitor: options.monitorOf('copy'), signal });
        copies.push({ location, result, error: undefined });
      } finally {
        await target.close();
      }
    } catch (error) {
      if (isEngineError(error, 'INTERRUPTED')) throw error;
      const failure = isEngineError(error) ? error : new EngineError('INTERNAL', errorMessage(error), error);
      copies.push({ location, result: undefined, error: failure });
    }
  }
  const failed = copies.find(({ error }) => error !== undefined)?.error;
  const isDamaged = copies.some(({ result }) => (result?.failed.length ?? 0) > 0);
  const status = failed !== undefined ? 'failed' : isDamaged ? 'damage' : 'done';
  return { status, details: { part: 'copy', copies }, error: failed };
}

async function rehearsal(
  subject: {
    readonly repository: Repository;
    readonly options: NightOptions;
    readonly snapshotId: SnapshotId | undefined;
  },
  { signal, prefix }: { readonly signal: AbortSignal | undefined; readonly prefix: string },
): Report {
  const { repository, options, snapshotId } = subject;
  if (snapshotId === undefined) throw new EngineError('SNAPSHOT_NOT_FOUND', 'There is no snapshot to rehearse with');
  const { restore } = await import('./operations/restore/restore.ts');
  const neverSaved = async (): Promise<undefined> => undefined;
  const result = await rehearse(
    {
      files: () => filesOf(repository, snapshotId),
      restore: (path, target) =>
        restore(repository, { snapshot: snapshotId, path, target, verify: true, workers: 1, signal }, neverSaved),
    },
    { prefix, bytes: options.rehearsalBytes ?? REHEARSAL_BYTES_DEFAULT, signal },
  );
  const isDamage = result.problems.some(({ code }: Problem) => DAMAGE.has(code));
  const status = isDamage ? 'damage' : result.problems.length > 0 ? 'problems' : 'done';
  return { status, details: { part: 'rehearsal', result, snapshotId } };
}

async function* filesOf(repository: Repository, snapshot: SnapshotId): AsyncGenerator<{ path: Buffer; bytes: number }> {
  for await (const { path, node } of listEntries(repository, { snapshot, recursive: true })) {
    if (node.type === 'file') yield { path, bytes: Number(node.size) };
  }
}
