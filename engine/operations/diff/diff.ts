/** What changed between two snapshots, or between a snapshot and the disk. */

import { EngineError, isEngineError, type Problem, throwIfAborted } from '../../base/errors.ts';
import { DIFF_CHANGES_HELD_MAX } from '../../base/limits.ts';
import { isWithin, pathSortKey, ROOT_PATH } from '../../base/paths.ts';
import type { Node } from '../../format/row.ts';
import { findPath } from '../../repository/find-node.ts';
import { loadLeftOutPaths } from '../../repository/left-out-paths.ts';
import { LiveRules } from '../../repository/live-rules.ts';
import type { Repository } from '../../repository/repository.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import type { Comparison, Entry, Subject } from './comparison.ts';
import { compareDatabases, type DatabasePair, isDatabase } from './database-changes.ts';
import { DiffRun, type FoundChange } from './diff-run.ts';
import { LiveComparison, type LiveEntry } from './live-comparison.ts';
import { LiveDisk } from './live-disk.ts';
import { MoveFinder } from './move-finder.ts';
import {
  CHANGE_KINDS,
  type Change,
  type ChangeKind,
  type DiffEvent,
  type DiffOptions,
  type DiffProblem,
  type LiveOptions,
} from './options.ts';
import { SnapshotComparison } from './snapshot-comparison.ts';

/**
 * Changes in order of their paths (of very many, the first come as they are found), each database's tables behind it,
 * and a summary at the end. SNAPSHOT_NOT_FOUND; PATH_NOT_FOUND where neither side has the path; OBJECT_CORRUPT,
 * OBJECT_MISSING, STORAGE_FAILED; INTERRUPTED after the signal. What cannot be read on the disk is a problem. Whoever takes
 * no more, and returns the generator, ends the comparison: folders and files that it holds are closed, images removed.
 */
export async function* diff(repository: Repository, options: DiffOptions): AsyncGenerator<DiffEvent> {
  const before = await repository.snapshots.find(options.before, options.filter);
  const path = options.path ?? ROOT_PATH;
  if (typeof options.after !== 'string') {
    yield* diffLive(repository, { options, path, before, live: options.after.live });
    return;
  }
  const after = await repository.snapshots.find(options.after, options.filter);
  await repository.loadIndex();
  const comparison = new SnapshotComparison(repository, before, after, options.signal);
  const subjects = {
    before: await findSubject(repository, before, path),
    after: await findSubject(repository, after, path),
  };
  const databaseOf = ({ before: old, after: young, change }: FoundChange<Node>): DatabasePair | undefined =>
    old !== undefined && young !== undefined && isDatabase(old) && isDatabase(young)
      ? { path: change.path, before: old, after: young }
      : undefined;
  yield* tellAll(repository, comparison, { options, path, before, after, subjects, problems: [], databaseOf });
}

async function* diffLive(
  repository: Repository,
  question: {
    readonly options: DiffOptions;
    readonly path: Buffer;
    readonly before: Snapshot;
    readonly live: LiveOptions;
  },
): AsyncGenerator<DiffEvent> {
  const { options, path, before, live } = question;
  await repository.loadIndex();
  const problems: Problem[] = [];
  const disk = new LiveDisk(repository, { signal: options.signal, onProblem: (problem) => problems.push(problem) });
  const rules = new LiveRules(before.rules, await loadLeftOutPaths(repository.blobs, before));
  const comparison = new LiveComparison(repository, before, { disk, rules, options: live });
  const subject = await findSubject(repository, before, path);
  const now = comparison.findSubject(path, subject.kind === 'entry' ? subject.entry : undefined);
  const subjects = { before: subject, after: now };
  const databaseOf = ({ before: old, after, change }: FoundChange<LiveEntry>): DatabasePair | undefined =>
    old !== undefined && after?.database?.isSame === false
      ? { path: change.path, before: old, after: undefined }
      : undefined;
  yield* tellAll(repository, comparison, { options, path, before, after: undefined, subjects, problems, databaseOf });
}

interface Question<After extends Entry> {
  readonly options: DiffOptions;
  readonly path: Buffer;
  readonly before: Snapshot;
  readonly after: Snapshot | undefined;
  readonly subjects: { readonly before: Subject<Node>; readonly after: Subject<After> };
  /** What could not be read so far and was not told. */
  readonly problems: Problem[];
  /** The database that a change is about, if it is one. */
  readonly databaseOf: (found: FoundChange<After>) => DatabasePair | undefined;
}

async function findSubject(repository: Repository, snapshot: Snapshot, path: Buffer): Promise<Subject<Node>> {
  try {
    const found = await findPath(repository.blobs, snapshot, path);
    return found.kind === 'root' ? { kind: 'root' } : { kind: 'entry', entry: found.node };
  } catch (error) {
    if (isEngineError(error, 'PATH_NOT_FOUND')) return { kind: 'none' };
    throw error;
  }
}

async function* tellAll<After extends Entry>(
  repository: Repository,
  comparison: Comparison<After>,
  question: Question<After>,
): AsyncGenerator<DiffEvent> {
  const { before, after, options } = question;
  const counts = Object.fromEntries(CHANGE_KINDS.map((kind) => [kind, 0])) as { [kind in ChangeKind]: number };
  const sums = { bytesAdded: 0, bytesRemoved: 0, problems: 0 };
  for await (const found of inOrder(comparison, question)) {
    throwIfAborted(options.signal);
    sums.problems += question.problems.length;
    yield* tellProblems(question.problems);
    const { change, database } = found;
    counts[change.change]++;
    sums.bytesAdded += change.bytesAdded;
    sums.bytesRemoved += change.bytesRemoved;
    yield change;
    if (database === undefined) continue;
    yield* compareDatabases(repository, database, { rows: options.rows === true, signal: options.signal });
  }
  sums.problems += question.problems.length;
  yield* tellProblems(question.problems);
  yield { event: 'summary', before, after, counts, ...sums };
}

function* tellProblems(problems: Problem[]): Generator<DiffProblem> {
  for (const problem of problems.splice(0)) yield { event: 'problem', problem };
}

/** What is kept of a change until it is told: not its nodes, which hold on to parts of trees. */
interface ToldChange {
  readonly change: Change;
  readonly database: DatabasePair | undefined;
}

/** Everything in order of paths, unless it is too much to be held. */
async function* inOrder<After extends Entry>(
  comparison: Comparison<After>,
  question: Question<After>,
): AsyncGenerator<ToldChange> {
  const sources = [...question.before.paths, ...(question.after?.paths ?? [])];
  const isInSource = (path: Buffer): boolean =>
    sources.length === 0 || sources.some((source) => isWithin(path, source));
  const run = new DiffRun(comparison, isInSource);
  const finder = new MoveFinder(comparison, run);
  const told = (found: FoundChange<After>): ToldChange => {
    const asksTables = found.change.change === 'content' && question.options.tables !== false;
    return { change: found.change, database: asksTables ? question.databaseOf(found) : undefined };
  };
  const allTold = async function* (all: AsyncIterable<FoundChange<After>>): AsyncGenerator<ToldChange> {
    for await (const found of all) yield told(found);
  };
  let held: ToldChange[] = [];
  for (const source of [() => firstFound(run, question), () => finder.find()]) {
    for await (const found of source()) {
      held.push(told(found));
      if (held.length < DIFF_CHANGES_HELD_MAX) continue;
      yield* held;
      held = [];
    }
  }
  const items = [
    ...held.map((one) => ({ key: pathSortKey(one.change.path), tell: () => [one] })),
    ...run.removed.map((root) => ({
      key: pathSortKey(root.path),
      tell: () => allTold(run.tellRemoved(root, finder.isMovedAway)),
    })),
    ...run.added.map((root) => ({
      key: pathSortKey(root.path),
      tell: () => allTold(run.tellAdded(root, finder.isMovedHere)),
    })),
  ];
  items.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  for (const { tell } of items) yield* tell();
}

async function* firstFound<After extends Entry>(
  run: DiffRun<After>,
  { path, before, after, subjects }: Question<After>,
): AsyncGenerator<FoundChange<After>> {
  if (subjects.before.kind === 'none' && subjects.after.kind === 'none') {
    const where = after === undefined ? 'nor the disk' : `nor ${after.id.slice(0, 8)}`;
    const message = `Neither snapshot ${before.id.slice(0, 8)} ${where} has ${path.toString('utf8')}`;
    throw new EngineError('PATH_NOT_FOUND', message);
  }
  if (subjects.before.kind === 'root' || subjects.after.kind === 'root') {
    yield* run.compareDirectory({ path, pathBefore: path, before: undefined, after: undefined });
    return;
  }
  const pair = {
    name: path,
    before: subjects.before.kind === 'entry' ? subjects.before.entry : undefined,
    after: subjects.after.kind === 'entry' ? subjects.after.entry : undefined,
  };
  if (pair.before !== undefined && pair.after !== undefined && isSameRow(pair.before, pair.after)) return;
  yield* run.compare(path, pair);
}

function isSameRow(before: Node, after: Entry): boolean {
  return 'row' in after && after.row instanceof Buffer && before.row.equals(after.row);
}
