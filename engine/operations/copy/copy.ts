/** Copies snapshots to another repository: only what is missing there. */

import { EngineError, isEngineError, throwIfAborted } from '../../base/errors.ts';
import type { SnapshotId } from '../../base/ids.ts';
import { PROGRESS_INTERVAL_MS } from '../../base/limits.ts';
import { isDamage } from '../../repository/batch-reader.ts';
import { HeldLease } from '../../repository/leases.ts';
import type { Repository } from '../../repository/repository.ts';
import { matchesFilter, type Snapshot } from '../../repository/snapshots.ts';
import { WriteSession } from '../../repository/write-session.ts';
import type { TreeCopier } from './copier.ts';
import { NewIdsCopier } from './new-ids.ts';
import type { CopyOptions, CopyResult, SnapshotPair } from './options.ts';
import { type CopyPlan, nearestPair, planCopy } from './plan.ts';
import { SameIdsCopier } from './same-ids.ts';

/**
 * Copies snapshots, oldest first. Blobs keep their ids where the target was made with `--copy-chunker-params` of the
 * source; else all content is named anew. What a killed run stored is found by the next one. A snapshot that is damaged in
 * the source is in `failed`, and the others are copied. Throws INVALID_ARGUMENT where both are the same repository,
 * SNAPSHOT_NOT_FOUND, REPOSITORY_LOCKED, STORAGE_FAILED, INTERRUPTED.
 */
export async function copy(source: Repository, target: Repository, options: CopyOptions = {}): Promise<CopyResult> {
  const startedMs = performance.now();
  if (source.config.id === target.config.id) {
    throw new EngineError(
      'INVALID_ARGUMENT',
      `Source and target of the copy are the same repository (${source.config.id.slice(0, 8)}): name another one`,
    );
  }
  const { wanted, inSource, failed } = await findWanted(source, options);
  // A copy that cannot be read is made anew.
  const plan = planCopy(wanted, inSource, await target.snapshots.list({}, () => undefined, 'with'));
  const nothing = { copied: [], failed, planned: [], bytesRead: 0, dataAdded: 0, dataAddedPacked: 0 };
  const common = { present: plan.present, keepsIds: sameContentSecret(source, target) };
  const totalDuration = (): number => (performance.now() - startedMs) / 1000;
  if (options.dryRun === true) return { ...common, ...nothing, planned: plan.toCopy, totalDuration: totalDuration() };
  if (plan.toCopy.length === 0) return { ...common, ...nothing, totalDuration: totalDuration() };
  const lease = await leaseOnSource(source, plan, options);
  try {
    const parents = plan.pairs.map((pair) => pair.target.id);
    const session = await WriteSession.begin(target, { verb: 'copy', parents, compression: options.compression });
    try {
      const run = new CopyRun(source, session, { ...options, failed });
      await run.execute({ ...plan, pairs: await stillListed(target, plan.pairs) });
      return { ...common, ...nothing, ...run.result(), totalDuration: totalDuration() };
    } catch (error) {
      await session.keepWhatIsStored();
      throw interrupted(error, options);
    } finally {
      await session.close();
    }
  } finally {
    await lease?.release();
  }
}

function interrupted(error: unknown, options: CopyOptions): unknown {
  if (options.signal?.aborted !== true) return error;
  return new EngineError(
    'INTERRUPTED',
    'Interrupted: what is stored is kept, and the next copy goes on from there',
    error,
  );
}

/** What was forgotten before the lease named it may be about to go: nothing is taken over from it. */
async function stillListed(target: Repository, pairs: readonly SnapshotPair[]): Promise<SnapshotPair[]> {
  const listed = new Set((await target.snapshots.list({}, () => undefined)).map(({ id }) => id));
  return pairs.filter((pair) => listed.has(pair.target.id));
}

function sameContentSecret(a: Repository, b: Repository): boolean {
  return Buffer.from(a.keys.secrets.content).equals(b.keys.secrets.content);
}

type Failed = CopyResult['failed'][number];

async function findWanted(
  source: Repository,
  options: CopyOptions,
): Promise<{ wanted: Set<SnapshotId>; inSource: Snapshot[]; failed: Failed[] }> {
  const { snapshots = [], filter = {} } = options;
  const wanted = new Set<SnapshotId>();
  const failed: Failed[] = [];
  for (const name of snapshots) wanted.add((await source.snapshots.find(name, filter)).id);
  const inSource = await source.snapshots.list({}, (id, error) => {
    if (snapshots.length > 0) return;
    failed.push({ id, error });
    options.monitor?.note?.(notCopied(id, error));
  });
  if (snapshots.length === 0) {
    for (const snapshot of inSource) if (matchesFilter(snapshot, filter)) wanted.add(snapshot.id);
  }
  return { wanted, inSource, failed };
}

function notCopied(id: SnapshotId, error: EngineError): string {
  return `Snapshot ${id.slice(0, 8)} is not copied: ${error.message}`;
}

/** A lease keeps prune from what is being read. A source that cannot be written is read without one. */
async function leaseOnSource(source: Repository, plan: CopyPlan, options: CopyOptions): Promise<HeldLease | undefined> {
  const parents = [...plan.toCopy, ...plan.pairs.map((pair) => pair.source)].map(({ id }) => id);
  try {
    return await HeldLease.acquire(source, { verb: 'copy', exclusive: false, parents });
  } catch (error) {
    if (!isEngineError(error, 'STORAGE_FAILED')) throw error;
    options.monitor?.note?.(
      `The repository ${source.backend.location} cannot be written, so nothing keeps a prune by somebody else from what is being copied: ${error.message}`,
    );
    return undefined;
  }
}

class CopyRun {
  readonly #source: Repository;
  readonly #session: WriteSession;
  readonly #options: CopyOptions;
  readonly #copier: TreeCopier;
  readonly #copied: SnapshotPair[] = [];
  readonly #failed: Failed[];
  #files = 0;
  #bytesRead = 0;
  #lastProgressMs = 0;

  constructor(
    source: Repository,
    session: WriteSession,
    options: CopyOptions & { readonly failed: readonly Failed[] },
  ) {
    this.#failed = [...options.failed];
    this.#source = source;
    this.#session = session;
    this.#options = options;
    const parts = {
      source,
      session,
      signal: options.signal,
      onFile: () => {
        this.#files++;
        this.#progress();
      },
      onBytes: (bytes: number) => {
        this.#bytesRead += bytes;
        this.#progress();
      },
    };
    const keepsIds = sameContentSecret(source, session.repository);
    this.#copier = keepsIds ? new SameIdsCopier(parts) : new NewIdsCopier(parts);
  }

  result(): Pick<CopyResult, 'copied' | 'failed' | 'bytesRead' | 'dataAdded' | 'dataAddedPacked'> {
    return {
      copied: this.#copied,
      failed: this.#failed,
      bytesRead: this.#bytesRead,
      dataAdded: this.#session.bytesNew,
      dataAddedPacked: this.#session.bytesWritten,
    };
  }

  async execute(plan: CopyPlan): Promise<void> {
    await this.#source.loadIndex();
    const pairs = await this.#stillThere(plan.pairs);
    for (const snapshot of plan.toCopy) {
      throwIfAborted(this.#options.signal);
      try {
        const pair = { source: snapshot, target: await this.#copySnapshot(snapshot, pairs) };
        pairs.push(pair);
        this.#copied.push(pair);
      } catch (error) {
        if (!isDamage(error)) throw error;
        this.#failed.push({ id: snapshot.id, error });
        this.#options.monitor?.note?.(notCopied(snapshot.id, error));
      }
    }
    await this.#session.flush();
  }

  /** Pairs of which nothing was forgotten before the leases were made. */
  async #stillThere(pairs: readonly SnapshotPair[]): Promise<SnapshotPair[]> {
    if (pairs.length === 0) return [];
    const inSource = new Set(await this.#source.snapshots.ids());
    const inTarget = new Set(await this.#session.repository.snapshots.ids());
    return pairs.filter(({ source, target }) => inSource.has(source.id) && inTarget.has(target.id));
  }

  async #copySnapshot(snapshot: Snapshot, pairs: readonly SnapshotPair[]): Promise<Snapshot> {
    const reference = nearestPair(snapshot, pairs);
    const trees =
      reference === undefined ? undefined : { source: reference.source.tree, target: reference.target.tree };
    const tree = await this.#copier.copyTree(snapshot.tree, trees);
    const content = [];
    for (const blobId of snapshot.leftOut.content) content.push(await this.#copier.copyBlob(blobId));
    const parent = pairs.find(({ source }) => source.id === snapshot.parent)?.target.id;
    const { id: _, ...record } = snapshot;
    const leftOut = { count: snapshot.leftOut.count, content };
    throwIfAborted(this.#options.signal);
    return this.#session.commit({ ...record, tree, parent, leftOut });
  }

  #progress(): void {
    const now = performance.now();
    if (now - this.#lastProgressMs < PROGRESS_INTERVAL_MS) return;
    this.#lastProgressMs = now;
    this.#options.monitor?.progress?.({
      filesDone: this.#files,
      bytesDone: this.#bytesRead,
      filesTotal: undefined,
      bytesTotal: undefined,
      bytesNew: this.#session.bytesNew,
      problems: this.#failed.length,
      currentPath: undefined,
    });
  }
}
