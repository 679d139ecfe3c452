/** What a night did, or would do, in words and in JSON. */

import {
  describeHook,
  type NightCopy,
  type NightDetails,
  type NightOptions,
  type NightPartResult,
  type NightPlan,
  type NightResult,
  type PartStatus,
} from '../../engine/index.ts';
import { EXIT_CODES, EXIT_DAMAGE, EXIT_OK, EXIT_PROBLEMS, worstExitCode } from '../exit-codes.ts';
import { hookExitCode } from '../hooks.ts';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatLocalTime,
  jsonProblem,
  type OutputOptions,
  printable,
  shortId,
} from '../render.ts';
import { serverCheckLines } from '../server-checks.ts';
import { print, printJson } from '../session.ts';
import { backupSummary } from './backup.ts';
import { checkSummary } from './check.ts';
import { copySummary } from './copy.ts';
import { pruneSummary } from './prune.ts';

type Night = NightResult<NightDetails>;
type Part = NightPartResult<NightDetails>;

/** A part that did not run has no code of its own: what stood in its way has. */
const CODES: { readonly [status in PartStatus]: number | 'of its error' } = {
  done: EXIT_OK,
  'not-due': EXIT_OK,
  skipped: EXIT_OK,
  problems: EXIT_PROBLEMS,
  suspect: EXIT_PROBLEMS,
  damage: EXIT_DAMAGE,
  failed: 'of its error',
  interrupted: 'of its error',
};

function partExitCode({ status, error }: Part, interrupted: number): number {
  const code = CODES[status];
  if (code !== 'of its error') return code;
  if (error?.code === 'INTERRUPTED') return interrupted;
  return EXIT_CODES[error?.code ?? 'INTERNAL'];
}

/** The worst of all. `interrupted` is the code of the signal, where one came. */
export function nightExitCode(night: Night, interrupted: number): number {
  const { error } = night;
  return worstExitCode([
    ...night.parts.map((part) => partExitCode(part, interrupted)),
    ...night.hooks.map(hookExitCode),
    ...(error === undefined || error.code === 'INTERRUPTED' ? [] : [EXIT_CODES[error.code]]),
    ...(night.interrupted ? [interrupted] : []),
  ]);
}

export function printNightPlan(plan: NightPlan, night: NightOptions, { json }: OutputOptions): void {
  if (json) {
    const parts = plan.map(({ part, due, why, subset }) => ({
      part,
      due,
      why,
      ...(subset === undefined ? {} : { subset }),
    }));
    const commands = night.hooks.map(({ when, point, command, on }) => ({ [when]: point, run: command, when: on }));
    printJson({ message_type: 'summary', dry_run: true, repository: night.location, parts, commands });
    return;
  }
  print(`Dry run of a night on ${printable(night.location)}: nothing is done.`);
  const commands = (when: 'before' | 'after', point: string): void => {
    for (const hook of night.hooks) {
      if (hook.when === when && hook.point === point)
        print(`             ${when} it: ${printable(hook.command.join(' '))}`);
    }
  };
  commands('before', 'run');
  for (const { part, due, why, subset } of plan) {
    const what = subset === undefined ? why : `part ${subset}, ${why}`;
    print(`  ${part.padEnd(9)}  ${due ? printable(what) : `not due: ${printable(why)}`}`);
    if (!due) continue;
    commands('before', part);
    commands('after', part);
  }
  commands('after', 'run');
}

export function printNight(
  night: Night,
  {
    output,
    exitCode,
    location,
  }: { readonly output: OutputOptions; readonly exitCode: number; readonly location: string },
): void {
  if (output.json) {
    printJson(jsonNight(night, exitCode, location));
    return;
  }
  for (const note of night.notes) process.stderr.write(`snap: ${printable(note)}\n`);
  if (night.error !== undefined) process.stderr.write(`snap: ${printable(night.error.message)}\n`);
  if (output.quiet && exitCode === EXIT_OK) return;
  const when = formatLocalTime(new Date(night.startedMs).toISOString());
  print(`Night of ${when} on ${printable(location)}: ${outcome(night, exitCode)}`);
  for (const part of night.parts) {
    const [first = '', ...more] = partLines(part);
    print(`  ${part.part.padEnd(9)}  ${printable(first)}`);
    for (const line of more) print(`             ${printable(line)}`);
  }
  print(`  time       ${formatDuration(night.durationSeconds)}`);
}

function outcome({ parts, interrupted }: Night, exitCode: number): string {
  if (exitCode === EXIT_OK) return 'all done.';
  if (interrupted) return `interrupted (exit code ${exitCode}).`;
  const suspect = parts.some(({ status }) => status === 'suspect');
  if (exitCode === EXIT_PROBLEMS)
    return `done, ${suspect ? 'and the snapshot is suspect' : 'with problems'} (exit code 3).`;
  return `not all of it was done (exit code ${exitCode}).`;
}

/** The first line says how it went. */
export function partLines(part: Part): string[] {
  const { status, why, error, details } = part;
  if (status === 'not-due') return [`not due: ${why}`];
  if (status === 'skipped') return [`skipped: ${why}`];
  if (details === undefined) return [`${status}: ${error?.message ?? why}`];
  return detailLines(details);
}

function detailLines(details: NightDetails): string[] {
  switch (details.part) {
    case 'backup':
      return backupLines(details);
    case 'forget': {
      const { kept, removed, policy, warnings } = details.result;
      return [`${formatCount(removed)} forgotten, ${formatCount(kept)} kept (${policy})`, ...warnings];
    }
    case 'prune': {
      const { bytesFreed, bytesAfter, packsMarked } = details.result;
      const waiting = packsMarked > 0 ? `; ${formatCount(packsMarked)} packs wait for the next one` : '';
      return [`${formatBytes(bytesFreed)} freed, packs are ${formatBytes(bytesAfter)}${waiting}`];
    }
    case 'check': {
      const { result, subset } = details;
      const read = `part ${subset ?? 'none'}, ${formatBytes(result.bytesRead)} read`;
      if (result.errors.length === 0) return [`${read}, no damage`];
      const named = result.errors.slice(0, ERRORS_NAMED_MAX).map(({ object, message }) => `${object}: ${message}`);
      return [`${read}, ${formatCount(result.errors.length)} damaged objects; "snap check" names all`, ...named];
    }
    case 'copy':
      return details.copies.map(copyLine);
    case 'rehearsal': {
      const { filesRestored, bytesRestored, problems } = details.result;
      const from = `of snapshot ${shortId(details.snapshotId)}`;
      const done = `${counted(filesRestored, 'file')} (${formatBytes(bytesRestored)}) ${from} restored and verified`;
      return [done, ...problems.map(({ message }) => message)];
    }
  }
}

const ERRORS_NAMED_MAX = 5;

function backupLines({ result, missingDatabases }: NightDetails & { readonly part: 'backup' }): string[] {
  const { snapshot, counts, suspicion, problemCount, damage, databases, checks, checksError } = result;
  const id = snapshot === undefined ? undefined : shortId(snapshot.id);
  const files = `${formatCount(counts.filesNew)} new, ${formatCount(counts.filesChanged)} changed of ${formatCount(counts.totalFilesProcessed)} files`;
  const first =
    id === undefined
      ? 'nothing changed: no snapshot was needed'
      : `snapshot ${id}: ${files}, ${formatBytes(counts.dataAddedPacked)} stored`;
  return [
    first,
    ...(databases.length > 0 ? [`${counted(databases.length, 'database')} captured`] : []),
    ...(suspicion === undefined
      ? []
      : [
          `SUSPECT: ${suspicion}. Retention does not count it; if all is as it should be: snap tag --trust ${id ?? 'latest'}`,
        ]),
    ...missingDatabases.map((path) => `the database ${path.toString('utf8')} was not captured: is it there?`),
    ...(problemCount > 0 ? [`${counted(problemCount, 'problem')}, named above`] : []),
    ...checks.flatMap((check) => serverCheckLines(check, ERRORS_NAMED_MAX)),
    ...(checksError === undefined ? [] : [`its servers were not checked to the end: ${checksError.message}`]),
    ...(damage.length > 0
      ? [`${formatCount(damage.length)} objects of the repository are damaged: "snap check" says what needs them`]
      : []),
  ];
}

function counted(count: number, thing: string): string {
  return `${formatCount(count)} ${thing}${count === 1 ? '' : 's'}`;
}

function copyLine({ location, result, error }: NightCopy): string {
  if (error !== undefined) return `to ${location} failed: ${error.message}`;
  const failed = result?.failed.length ?? 0;
  const damage = failed > 0 ? `, ${formatCount(failed)} could not be copied` : '';
  return `${counted(result?.copied.length ?? 0, 'snapshot')} to ${location}, ${formatBytes(result?.dataAddedPacked ?? 0)} stored${damage}`;
}

function jsonNight(night: Night, exitCode: number, location: string): object {
  return {
    message_type: 'summary',
    repository: location,
    night_start: new Date(night.startedMs).toISOString(),
    exit_code: exitCode,
    interrupted: night.interrupted,
    suspect: night.parts.some(({ status }) => status === 'suspect'),
    ...(night.error === undefined ? {} : { error: { code: night.error.code, message: night.error.message } }),
    parts: night.parts.map(jsonPart),
    commands: night.hooks.map(({ hook, status, exitCode: code, message, durationSeconds }) => ({
      [hook.when]: hook.point,
      run: hook.command,
      status,
      exit_code: code ?? null,
      ...(message === '' ? {} : { message: `${describeHook(hook)} ${message}` }),
      duration_seconds: durationSeconds,
    })),
    pings: night.pings.map(({ kind, problem }) => ({
      kind,
      heard: problem === undefined,
      ...(problem === undefined ? {} : { problem }),
    })),
    notes: night.notes,
    total_duration: night.durationSeconds,
  };
}

function jsonPart({ part, status, why, details, error, durationSeconds }: Part): object {
  return {
    part,
    status: status.replace('-', '_'),
    why,
    duration_seconds: durationSeconds,
    ...(error === undefined ? {} : { error: { code: error.code, message: error.message } }),
    ...(details === undefined ? {} : { summary: jsonDetails(details) }),
  };
}

function jsonDetails(details: NightDetails): object {
  switch (details.part) {
    case 'backup': {
      const missing = details.missingDatabases.map((path) => path.toString('utf8'));
      return { ...backupSummary(details.result), databases_missing: missing };
    }
    case 'forget': {
      const { result } = details;
      const removed = result.groups.flatMap((group) => group.remove.map(({ snapshot }) => snapshot.id));
      return { kept: result.kept, removed: result.removed, removed_ids: removed, warnings: result.warnings };
    }
    case 'prune':
      return pruneSummary(details.result);
    case 'check':
      return { ...checkSummary(details.result), subset: details.subset };
    case 'copy':
      return {
        copies: details.copies.map(({ location, result, error }) => ({
          repository: location,
          ...(result === undefined ? {} : copySummary(result)),
          ...(error === undefined ? {} : { error: { code: error.code, message: error.message } }),
        })),
      };
    case 'rehearsal': {
      const { filesRestored, bytesRestored, problems } = details.result;
      return {
        snapshot_id: details.snapshotId,
        files_restored: filesRestored,
        bytes_restored: bytesRestored,
        problems: problems.map(jsonProblem),
      };
    }
  }
}
