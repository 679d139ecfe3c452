/** What a restore did, or would do, in words and in JSON. */

import type {
  DeletedShare,
  ErrorCode,
  PlannedAction,
  PlannedKind,
  RestorePlan,
  RestoreResult,
} from '../../engine/index.ts';
import { EXIT_DAMAGE, EXIT_OK, EXIT_PROBLEMS } from '../exit-codes.ts';
import {
  formatBytes,
  formatCount,
  formatDuration,
  jsonDatabase,
  jsonPath,
  jsonProblem,
  type OutputOptions,
  printable,
  shortId,
} from '../render.ts';
import { print, printJson, writeOutput } from '../session.ts';
import { printChecks, printNext, printRewrites, serverJson } from './restore-server.ts';

const DAMAGE_CODES: ReadonlySet<string> = new Set<ErrorCode>(['OBJECT_CORRUPT', 'OBJECT_MISSING', 'OBJECT_UNREADABLE']);

/** Damage in the repository weighs more than a file that could not be written. */
export function exitCodeOf(result: RestoreResult): number {
  if (result.problemCount === 0) return EXIT_OK;
  const isDamage = result.problems.some(({ code }) => DAMAGE_CODES.has(code));
  return isDamage ? EXIT_DAMAGE : EXIT_PROBLEMS;
}

export function printSummaryLine(result: RestoreResult): void {
  const { plan } = result;
  printJson({
    message_type: 'summary',
    snapshot_id: result.snapshot.id,
    files_restored: result.filesRestored,
    files_skipped: result.filesSkipped,
    files_deleted: result.filesDeleted,
    directories_deleted: result.directoriesDeleted,
    safety_snapshot_id: result.safetySnapshot,
    ...(result.server === undefined ? {} : { server: serverJson(result.server) }),
    bytes_restored: result.bytesRestored,
    bytes_reused: result.bytesReused,
    bytes_skipped: result.bytesSkipped,
    databases: result.databases.map(jsonDatabase),
    problems: result.problems.map(jsonProblem),
    problem_count: result.problemCount,
    total_duration: result.totalDuration,
    ...(plan === undefined
      ? {}
      : {
          plan: {
            files_to_create: plan.filesToCreate,
            files_to_replace: plan.filesToReplace,
            files_to_compare: plan.filesToCompare,
            files_to_skip: plan.filesToSkip,
            bytes_to_write: plan.bytesToWrite,
            files_to_delete: plan.filesToDelete,
            bytes_to_delete: plan.bytesToDelete,
            directories_to_delete: plan.directoriesToDelete,
            needs_force: plan.mostlyDeleted !== undefined,
            databases_to_swap: plan.databasesToSwap.map((path) => path.toString('utf8')),
          },
        }),
  });
}

export function printAccount(result: RestoreResult, verified: boolean): void {
  const { plan, safetySnapshot } = result;
  const name = shortId(result.snapshot.id);
  if (plan !== undefined) {
    printPlan(name, plan);
    if (result.server !== undefined) printRewrites(result.server);
    return;
  }
  const where = result.targets.map((target) => printable(target.toString('utf8'))).join(', ');
  const proof = verified && result.problemCount === 0 ? ', read back and equal' : '';
  print(`Snapshot ${name} restored to ${where}${proof}.`);
  print(`  restored   ${formatCount(result.filesRestored)} files, ${formatBytes(result.bytesRestored)}`);
  if (result.bytesReused > 0) print(`  reused     ${formatBytes(result.bytesReused)} from files on disk`);
  if (result.filesSkipped > 0) {
    print(`  left alone ${formatCount(result.filesSkipped)} files, ${formatBytes(result.bytesSkipped)}`);
  }
  if (result.filesDeleted + result.directoriesDeleted > 0) {
    print(`  removed    ${formatCount(result.filesDeleted)} files, ${formatCount(result.directoriesDeleted)} folders`);
  }
  print(`  time       ${formatDuration(result.totalDuration)}`);
  if (safetySnapshot !== undefined) {
    print(`  before it  snapshot ${shortId(safetySnapshot)} holds what was there`);
  }
  if (result.problemCount > 0) print(`  problems   ${formatCount(result.problemCount)}: each was named above`);
  if (result.server !== undefined) {
    printRewrites(result.server);
    printChecks(result.server);
    printNext(result.server);
  }
}

function printPlan(name: string, plan: RestorePlan): void {
  print(`Dry run of snapshot ${name}: nothing was written.`);
  print(`  would create   ${formatCount(plan.filesToCreate)} files`);
  print(`  would replace  ${formatCount(plan.filesToReplace)} files`);
  print(`  would compare  ${formatCount(plan.filesToCompare)} files by content`);
  print(`  would leave    ${formatCount(plan.filesToSkip)} files as they are`);
  print(`  would write    ${formatBytes(plan.bytesToWrite)}`);
  if (plan.databasesToSwap.length > 0) print(`  would swap     ${formatCount(plan.databasesToSwap.length)} databases`);
  if (plan.filesToDelete + plan.directoriesToDelete > 0) {
    const folders = `${formatCount(plan.directoriesToDelete)} folders`;
    print(`  would remove   ${formatCount(plan.filesToDelete)} files (${formatBytes(plan.bytesToDelete)}), ${folders}`);
  }
  if (plan.mostlyDeleted !== undefined) {
    print(`  needs          --force, or a yes when it asks: it removes ${shareText(plan.mostlyDeleted)}`);
  }
}

function shareText({ source, present, deleted }: DeletedShare): string {
  const share = `${formatCount(deleted)} of ${formatCount(present)} files`;
  return `${share} of ${printable(source.toString('utf8'))}, more than half`;
}

/** What is told of a plan without -v: what takes something away. */
const TOLD_ALWAYS: ReadonlySet<PlannedKind> = new Set(['replace', 'delete', 'swap']);
const LINES_BUFFER_CHARACTERS = 64 * 1024;
const LINES_MAX = 100;

/** Prints a plan, entry by entry, no faster than it is read. */
export class PlanPrinter {
  readonly #output: OutputOptions;
  #text = '';
  #lines = 0;
  #left = 0;

  constructor(output: OutputOptions) {
    this.#output = output;
  }

  readonly told = (action: PlannedAction): undefined | Promise<void> => {
    const line = this.#line(action);
    if (line === undefined) return undefined;
    this.#text += `${line}\n`;
    if (this.#text.length < LINES_BUFFER_CHARACTERS) return undefined;
    return this.#flush();
  };

  #line({ kind, path, type, bytes }: PlannedAction): string | undefined {
    const { json, verbosity } = this.#output;
    if (json) {
      return JSON.stringify({
        message_type: 'verbose_status',
        action: kind,
        ...jsonPath(path, 'item'),
        type,
        size: bytes,
      });
    }
    if (verbosity === 0 && !TOLD_ALWAYS.has(kind)) return undefined;
    if (verbosity === 0 && this.#lines >= LINES_MAX) {
      this.#left++;
      return undefined;
    }
    this.#lines++;
    return `${kind.padEnd(7)}  ${printable(path.toString('utf8'))}${type === 'dir' ? '/' : ''}`;
  }

  async #flush(): Promise<void> {
    const text = this.#text;
    this.#text = '';
    await writeOutput(text);
  }

  async finish(): Promise<void> {
    if (this.#left > 0) this.#text += `… and ${formatCount(this.#left)} more: -v shows all\n`;
    if (this.#text !== '') await this.#flush();
  }
}
