/**
 * Carries a plan out. Everything is written before anything is removed, and what is removed goes in this order: forgotten
 * snapshots, index segments that name the packs, the packs, their marks and annotations. So a crash at any step leaves a
 * repository that is whole, and the next prune does the rest.
 */

import { mapBounded } from '../../base/concurrency.ts';
import { throwIfAborted } from '../../base/errors.ts';
import type { PackId, SnapshotId } from '../../base/ids.ts';
import { PACKS_REMOVED_AT_ONCE_MAX } from '../../base/limits.ts';
import { leaseLost } from '../../repository/clocks.ts';
import type { HeldLease } from '../../repository/leases.ts';
import { listMarks, type Mark, removeMarks, saveMarks } from '../../repository/marks.ts';
import type { Repository } from '../../repository/repository.ts';
import { replaceSegments } from '../../repository/segment-replacer.ts';
import type { Survey, SurveyedPack } from '../../repository/survey.ts';
import type { PruneOptions } from './options.ts';
import { livingOthers, type MarkedPacks, sortMarks } from './others.ts';
import type { PrunePlan } from './plan.ts';
import { loadRoots } from './roots.ts';

export interface Executed {
  readonly snapshotsRemoved: readonly SnapshotId[];
  readonly packsRemoved: number;
  readonly bytesRemoved: number;
  readonly packsMarked: number;
  readonly bytesWritten: number;
}

export interface Execution {
  readonly repository: Repository;
  readonly lease: HeldLease;
  readonly survey: Survey;
  readonly options: PruneOptions;
}

/** REPOSITORY_LOCKED never: whoever else is there only makes packs wait. LEASE_LOST, STORAGE_FAILED, OBJECT_CORRUPT. */
export async function executePrune(execution: Execution, plan: PrunePlan): Promise<Executed> {
  return new Executor(execution).run(plan);
}

class Executor {
  readonly #repository: Repository;
  readonly #lease: HeldLease;
  readonly #survey: Survey;
  readonly #options: PruneOptions;
  readonly #snapshotsRemoved: SnapshotId[] = [];
  #packsRemoved = 0;
  #bytesRemoved = 0;
  #bytesWritten = 0;
  readonly #marked = new Set<PackId>();
  /** Numbers of packs that segments are to name no more. */
  readonly #gone: Set<number>;

  constructor({ repository, lease, survey, options }: Execution) {
    this.#repository = repository;
    this.#lease = lease;
    this.#survey = survey;
    this.#options = options;
    this.#gone = new Set(survey.absent());
  }

  async run(plan: PrunePlan): Promise<Executed> {
    const dropped = plan.drop.map((position) => this.#survey.packAt(position));
    const repacked = plan.repack.map((position) => this.#survey.packAt(position));
    // What nobody needs goes first: a disk that is nearly full has room then for what is copied.
    await this.#retire(dropped, repacked.length === 0);
    if (repacked.length > 0) {
      this.#bytesWritten = await this.#survey.move(repacked, ({ packId, bytes }, done) =>
        this.#progress(`packs/${packId}`, { done, of: repacked.length, bytes }),
      );
      await this.#retire(repacked, true);
    }
    await this.#tidyMarks();
    await this.#tidyAnnotations();
    return {
      snapshotsRemoved: this.#snapshotsRemoved,
      packsRemoved: this.#packsRemoved,
      bytesRemoved: this.#bytesRemoved,
      packsMarked: this.#marked.size,
      bytesWritten: this.#bytesWritten,
    };
  }

  #progress(object: string, at: { readonly done: number; readonly of: number; readonly bytes: number }): void {
    this.#options.monitor?.progress?.({
      filesDone: at.done,
      filesTotal: at.of,
      bytesDone: 0,
      bytesTotal: undefined,
      bytesNew: at.bytes,
      problems: 0,
      currentPath: object,
    });
  }

  /** Removes packs, those of them at least that nobody else can refer to. The others are marked. */
  async #retire(packs: readonly SurveyedPack[], isLast: boolean): Promise<void> {
    throwIfAborted(this.#options.signal);
    let due = packs;
    if (this.#options.now !== true) due = await this.#mark(packs);
    // Snapshots that were forgotten stay as long as what they need does: until then they can be brought back.
    const goes = due.length > 0 || (isLast && packs.length === 0 && this.#marked.size === 0);
    if (!goes && this.#gone.size === 0) return;
    due = await this.#keepRevived(due);
    await this.#confirm();
    if (goes) await this.#removeForgotten();
    for (const { number } of due) if (number !== undefined) this.#gone.add(number);
    await this.#repository.index.refresh();
    await replaceSegments(this.#repository.index, { isGone: (pack) => this.#gone.has(pack), merges: isLast });
    due = await this.#keepRevived(due);
    await this.#confirm();
    await mapBounded(due, PACKS_REMOVED_AT_ONCE_MAX, async ({ packId, bytes }) => {
      await this.#repository.backend.remove('pack', packId);
      this.#packsRemoved++;
      this.#bytesRemoved += bytes;
    });
  }

  /** Marks packs, and returns those that may go at once. */
  async #mark(packs: readonly SurveyedPack[]): Promise<readonly SurveyedPack[]> {
    if (packs.length === 0) return [];
    const { graceMs = 0 } = this.#options;
    const before = await this.#sorted();
    const isNew = ({ packId }: SurveyedPack): boolean => !before.due.has(packId) && !before.waiting.has(packId);
    const fresh = packs.filter(isNew).map(({ packId }) => packId);
    // First the marks, then the look at who is there: whoever begins in between sees the marks, or is seen.
    const ids = await saveMarks(this.#repository, fresh, undefined);
    const others = await livingOthers(this.#repository, this.#lease);
    const waits = others.length > 0 || graceMs > 0;
    if (waits && fresh.length > 0) {
      await saveMarks(
        this.#repository,
        fresh,
        others.map(({ run }) => run),
      );
      await removeMarks(this.#repository, ids);
    }
    const mayGo = (pack: SurveyedPack): boolean => before.due.has(pack.packId) || (isNew(pack) && !waits);
    for (const pack of packs) if (!mayGo(pack)) this.#marked.add(pack.packId);
    return packs.filter(mayGo);
  }

  async #sorted(): Promise<MarkedPacks> {
    const { graceMs = 0 } = this.#options;
    const marks = await listMarks(this.#repository);
    const others = await livingOthers(this.#repository, this.#lease);
    return sortMarks(marks, { others, nowMs: Date.now(), graceMs });
  }

  /** Walks snapshots that came since, and takes what they need out of what is to go; their segments come back. */
  async #keepRevived(packs: readonly SurveyedPack[]): Promise<readonly SurveyedPack[]> {
    const roots = await loadRoots(this.#repository, () => livingOthers(this.#repository, this.#lease));
    const revived = await this.#survey.revive(roots.live);
    if (revived.size === 0) return packs;
    const stay: SurveyedPack[] = [];
    const go: SurveyedPack[] = [];
    for (const pack of packs) (pack.number !== undefined && revived.has(pack.number) ? stay : go).push(pack);
    for (const pack of stay) {
      if (pack.number !== undefined && this.#gone.delete(pack.number)) await this.#survey.nameAgain(pack);
    }
    return go;
  }

  async #confirm(): Promise<void> {
    throwIfAborted(this.#options.signal);
    if (!(await this.#lease.confirm())) throw leaseLost();
  }

  async #removeForgotten(): Promise<void> {
    const roots = await loadRoots(this.#repository, () => livingOthers(this.#repository, this.#lease));
    for (const { id } of roots.forgotten) {
      await this.#repository.backend.remove('snapshot', id);
      this.#snapshotsRemoved.push(id);
    }
  }

  /** Marks whose packs are all gone, or needed again, go; others keep what still waits. */
  async #tidyMarks(): Promise<void> {
    for (const mark of await listMarks(this.#repository)) {
      const waiting = mark.packs.filter((pack) => this.#marked.has(pack));
      if (waiting.length === mark.packs.length && mark.runs !== undefined) continue;
      await this.#shrinkMark(mark, waiting);
    }
  }

  async #shrinkMark(mark: Mark, waiting: readonly PackId[]): Promise<void> {
    const kept = await saveMarks(this.#repository, waiting, mark.runs, mark.timeMs);
    await removeMarks(
      this.#repository,
      [mark.id].filter((id) => !kept.includes(id)),
    );
  }

  /** Annotations that a newer one replaces, and those of snapshots that are gone. */
  async #tidyAnnotations(): Promise<void> {
    const { backend, snapshots } = this.#repository;
    const annotations = await snapshots.annotations();
    const files = [...annotations.superseded];
    const there = new Set(await snapshots.ids());
    for (const id of annotations.subjects()) {
      // One that was saved since is asked for by itself.
      if (there.has(id) || (await backend.size('snapshot', id)) !== undefined) continue;
      files.push(...annotations.filesAbout(id));
    }
    for (const file of files) await backend.remove('annotation', file);
  }
}
