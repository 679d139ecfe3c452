/** A whole night, as "snap run" does it, and a snapshot of the server's own state. */

import {
  type BackupOptions,
  backup,
  EngineError,
  type ForgetOptions,
  forget,
  type Hook,
  isEngineError,
  type NightDetails,
  type NightPartResult,
  type NightResult,
  openRepository,
  type PartStatus,
  runNight,
  SERVER_STATE_LABEL,
} from '../../../engine/index.ts';
import { STATE_SNAPSHOTS_KEPT } from '../../limits.ts';
import type { NightParts } from '../../options.ts';
import { type JobError, type JobOutcome, worstOutcome } from '../job.ts';
import type { JobAnswer } from '../messages.ts';
import { backupAnswer, checkAnswer, forgetAnswer, pruneAnswer } from '../results.ts';
import { HOOK_OUTPUT, type JobSurroundings } from '../surroundings.ts';

export interface NightRequest {
  readonly parts: NightParts;
  readonly hooks: readonly Hook[];
  readonly hookEnvironment: { readonly [name: string]: string | undefined };
  readonly backup: Omit<BackupOptions, 'monitor' | 'signal' | 'stdin'>;
  /** Without it nothing is forgotten. */
  readonly forget: Pick<ForgetOptions, 'policy' | 'filter' | 'groupBy' | 'zone'> | undefined;
  /** Folder of the server's own state. */
  readonly stateDirectory: string;
}

export async function run(surroundings: JobSurroundings, request: NightRequest): Promise<JobAnswer> {
  const { place, monitor, signal } = surroundings;
  const { copies, ...parts } = request.parts;
  const result = await runNight({
    ...place,
    ...parts,
    priority: parts.priority ?? 'low',
    hooks: request.hooks,
    hookEnvironment: request.hookEnvironment,
    hookOutput: HOOK_OUTPUT,
    open: surroundings.open,
    copies: copies.map(({ location, credential }) => ({
      location,
      open: () => openRepository({ location, credential, cacheDirectory: place.cacheDirectory }),
    })),
    backup: { ...request.backup, countSources: true },
    forget: request.forget,
    monitorOf: () => monitor,
    onPart: surroundings.beginPart,
    signal,
  });
  for (const note of result.notes) monitor.note?.(note);
  const error = errorOf(result);
  const state = error === undefined ? await saveState(surroundings, request.stateDirectory) : undefined;
  const outcome = worstOutcome([...result.parts.map(({ status }) => OUTCOMES[status]), hookOutcome(result)]);
  return {
    outcome: error === undefined ? worstOutcome([outcome, state?.error === undefined ? 'done' : 'problems']) : 'failed',
    error,
    result: { parts: result.parts.map(partAnswer), state_snapshot_id: state?.snapshotId ?? null, notes: result.notes },
  };
}

const OUTCOMES: { readonly [status in PartStatus]: JobOutcome } = {
  done: 'done',
  problems: 'problems',
  suspect: 'suspect',
  damage: 'damage',
  failed: 'failed',
  interrupted: 'failed',
  // Something before it stood in its way, and says itself how bad that is.
  skipped: 'done',
  'not-due': 'done',
};

function hookOutcome({ hooks }: NightResult<NightDetails>): JobOutcome {
  const failed = hooks.filter(({ status }) => status !== 'done');
  if (failed.some(({ hook }) => hook.onFailure === 'stop')) return 'failed';
  return failed.length > 0 ? 'problems' : 'done';
}

/** What made the whole night a failure. */
function errorOf(result: NightResult<NightDetails>): JobError | undefined {
  if (result.interrupted) return { code: 'INTERRUPTED', message: 'The night was interrupted' };
  const failed = result.parts.find(({ status }) => OUTCOMES[status] === 'failed');
  const error = result.error ?? failed?.error;
  if (error !== undefined) {
    const part = result.error === undefined && failed !== undefined ? `${failed.part}: ` : '';
    return { code: error.code, message: `${part}${error.message}` };
  }
  if (failed !== undefined) return { code: 'INTERNAL', message: `The ${failed.part} failed` };
  if (hookOutcome(result) === 'failed') return { code: 'COMMAND_FAILED', message: result.notes.join('; ') };
  return undefined;
}

function partAnswer({ part, status, why, error, details, durationSeconds }: NightPartResult<NightDetails>) {
  return {
    part,
    status,
    why,
    error: error === undefined ? null : { code: error.code, message: error.message },
    duration_seconds: durationSeconds,
    details: details === undefined ? null : detailsAnswer(details),
  };
}
export type PartAnswer = ReturnType<typeof partAnswer>;

function detailsAnswer(details: NightDetails): object {
  switch (details.part) {
    case 'backup':
      return {
        ...backupAnswer(details.result),
        missing_databases: details.missingDatabases.map((path) => path.toString('utf8')),
      };
    case 'forget':
      return forgetAnswer(details.result);
    case 'prune':
      return pruneAnswer(details.result);
    case 'check':
      return { ...checkAnswer(details.result), subset: details.subset ?? null };
    case 'copy':
      return {
        copies: details.copies.map(({ location, error }) => ({ location, error: error?.message ?? null })),
      };
    default:
      return { snapshot_id: details.snapshotId };
  }
}

/** Users, tokens, settings and what failed: all that the repository would not know by itself. */
async function saveState(
  { open, monitor, signal, beginPart }: JobSurroundings,
  folder: string,
): Promise<{ readonly snapshotId?: string | undefined; readonly error?: EngineError }> {
  try {
    beginPart('state');
    const repository = await open();
    const paths = [Buffer.from(folder)];
    const { snapshot } = await backup(repository, {
      paths,
      label: SERVER_STATE_LABEL,
      maxShrink: 100,
      excludeCaches: true,
      signal,
    });
    const filter = { labels: [SERVER_STATE_LABEL] };
    await forget(repository, { policy: { keepDaily: STATE_SNAPSHOTS_KEPT }, filter, signal });
    return { snapshotId: snapshot?.id };
  } catch (error) {
    const failure = isEngineError(error) ? error : new EngineError('INTERNAL', String(error), error);
    const { code, message } = failure;
    monitor.problem?.({ path: folder, during: 'state', code, message });
    return { error: failure };
  }
}
