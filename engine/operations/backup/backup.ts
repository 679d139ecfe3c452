/** Takes a snapshot. The data's way is in ARCHITECTURE.md; this file puts the parts together and orders the writes. */

import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { EngineError } from '../../base/errors.ts';
import { BLOB_ID_BYTES, type BlobId, type PackId } from '../../base/ids.ts';
import { COMPRESSION_LEVEL_DEFAULT, RELIST_ROUNDS_MAX, WORKERS_DEFAULT_MAX } from '../../base/limits.ts';
import { STAT_BYTES } from '../../base/stat.ts';
import { Compressor } from '../../codec/compression.ts';
import { createFileSystem } from '../../filesystem/create.ts';
import { type FileSystem, LISTING_EXTRA_WORDS } from '../../filesystem/types.ts';
import type { BackupCounts } from '../../format/snapshot.ts';
import { BlobWriter, type StoredPack } from '../../repository/blob-writer.ts';
import { type ChangeRules, rulesSince } from '../../repository/change-rules.ts';
import type { HeldLease } from '../../repository/leases.ts';
import { markedPacks } from '../../repository/marks.ts';
import type { Repository } from '../../repository/repository.ts';
import { RunClaims } from '../../repository/run-claims.ts';
import { nowNs } from '../../repository/run-facts.ts';
import { sweepScratchFolders } from '../../repository/scratch-folders.ts';
import { SegmentWriter } from '../../repository/segment-writer.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import { TreeWriter } from '../../repository/tree-writer.ts';
import { refuseRepository } from '../../storage/open.ts';
import { DatabaseCapture } from './database-capture.ts';
import { databaseGroups } from './database-moments.ts';
import { DirectoryLog } from './directory-log.ts';
import { Exclusions } from './exclusions.ts';
import { FileDispatcher } from './file-dispatcher.ts';
import { Journal } from './journal.ts';
import { MovedDirectories } from './moved-directories.ts';
import { OpenDirectory } from './open-directory.ts';
import { type BackupOptions, type BackupResult, type RunOptions, requireOptions } from './options.ts';
import { leaseWithParent } from './parent.ts';
import { NO_PARENT_ROWS, ParentRows } from './parent-rows.ts';
import { applyProfiles, reportUnrecognised, withoutDumpExcludes } from './profiles.ts';
import { RunContext } from './run-context.ts';
import { saveSnapshot } from './save-snapshot.ts';
import { type CheckSaved, checkSavedSnapshot } from './saved-checks.ts';
import type { DirectoryResult } from './scan-types.ts';
import { Scanner } from './scanner.ts';
import { type DumpResult, NO_DUMPS, ServerDumpStore } from './server-dumps.ts';
import { journalKey } from './snapshot-facts.ts';
import { expectTotals, type SourceCount } from './source-count.ts';
import { findSources, type Sources } from './sources.ts';
import { type StreamSource, StreamStore } from './stream-store.ts';
import { WorkerPool } from './worker-pool.ts';

/**
 * Stores the sources and saves a snapshot, last of all. Problems of single files are in the result; what concerns the
 * repository throws: STORAGE_FAILED, OBJECT_CORRUPT, REPOSITORY_LOCKED; INTERRUPTED after the signal; SOURCE_MISSING
 * where no source exists. What is saved with profiles is then given to `checkSaved`, which changes nothing about it.
 */
export async function backup(
  repository: Repository,
  options: BackupOptions,
  checkSaved?: CheckSaved,
): Promise<BackupResult> {
  requireOptions(options);
  const result = await storeAndSave(repository, options);
  const { snapshot, profiles } = result;
  if (checkSaved === undefined || snapshot === undefined || profiles.length === 0) return result;
  return { ...result, ...(await checkSavedSnapshot(snapshot, checkSaved, options.monitor)) };
}

async function storeAndSave(repository: Repository, options: BackupOptions): Promise<BackupResult> {
  const run = await BackupRun.prepare(repository, await applyProfiles(repository, options));
  try {
    return await run.execute();
  } finally {
    await run.close();
  }
}

class BackupRun {
  readonly #repository: Repository;
  #options: RunOptions;
  readonly #context: RunContext;
  readonly #fileSystem: FileSystem = createFileSystem();
  readonly #lease: HeldLease | undefined;
  readonly #parent: Snapshot | undefined;
  readonly #journal: Journal;
  readonly #claims: RunClaims;
  readonly #startedNs = nowNs();
  readonly #startedMs = performance.now();
  readonly #pool: WorkerPool;
  readonly #treePacks: BlobWriter;
  #streamPacks: BlobWriter | undefined;
  readonly #trees: TreeWriter;
  readonly #dispatcher: FileDispatcher;
  readonly #databases: DatabaseCapture | undefined;
  #count: SourceCount | undefined;
  readonly #mounts = new Map<string, { path: Buffer; device: string }>();
  readonly #segments: SegmentWriter;

  private constructor(parts: {
    readonly repository: Repository;
    readonly options: RunOptions;
    readonly lease: HeldLease | undefined;
    readonly parent: Snapshot | undefined;
    readonly journal: Journal;
    readonly segments: SegmentWriter;
    readonly marked: ReadonlySet<PackId>;
  }) {
    const { repository, options } = parts;
    this.#repository = repository;
    this.#options = options;
    this.#lease = parts.lease;
    this.#parent = parts.parent;
    this.#journal = parts.journal;
    this.#segments = parts.segments;
    this.#context = new RunContext(options);
    for (const { object, error } of repository.index.damage) this.#context.damaged(object, error);
    for (const limit of this.#fileSystem.limits) this.#context.note(`On this system ${limit}`);
    const { index } = repository;
    this.#claims = RunClaims.begin(index.known(parts.marked), { claimsMax: index.limits.runClaims });
    const compressionLevel = options.compression ?? COMPRESSION_LEVEL_DEFAULT;
    const dryRun = options.dryRun === true;
    this.#pool = new WorkerPool(repository, {
      workers: options.workers ?? Math.min(availableParallelism(), WORKERS_DEFAULT_MAX),
      claims: this.#claims,
      compressionLevel,
      sniffDatabases: options.databases !== false,
      dryRun,
      readBytesPerSecond: options.readBytesPerSecond,
      onStored: (pack) => this.#stored(pack),
    });
    this.#treePacks = new BlobWriter(repository, {
      kind: 'tree',
      compressor: new Compressor(compressionLevel),
      onStored: (pack) => this.#stored(pack),
    });
    this.#trees = new TreeWriter({
      keys: repository.keys,
      writer: this.#treePacks,
      claim: (id) => this.#claims.claim(id) && !dryRun,
    });
    this.#dispatcher = new FileDispatcher({
      fileSystem: this.#fileSystem,
      pool: this.#pool,
      trees: this.#trees,
      context: this.#context,
    });
    if (options.databases !== false) {
      this.#databases = new DatabaseCapture({
        fileSystem: this.#fileSystem,
        dispatcher: this.#dispatcher,
        context: this.#context,
        scratchParent: join(repository.cacheDirectory, 'scratch'),
        known: (parts.parent?.databases ?? []).filter(({ kind }) => kind === 'sqlite'),
        named: databaseGroups(options.applied),
        keepsUnchanged: options.force !== true,
        busyTimeoutMs: options.databaseBusyMsMax,
        holdMsMax: options.databaseHoldMsMax,
      });
    }
  }

  static async prepare(repository: Repository, options: RunOptions): Promise<BackupRun> {
    const dryRun = options.dryRun === true;
    if (!dryRun) await repository.probe();
    // The lease comes before index and marks are read: prune counts on that.
    const { lease, parent } = await leaseWithParent(repository, options);
    try {
      if (!dryRun) await repository.backend.tidy(Date.now());
      sweepScratchFolders(join(repository.cacheDirectory, 'scratch'));
      await repository.index.refresh({ onlyExisting: true });
      const marked = await markedPacks(repository);
      const journals = join(repository.cacheDirectory, 'journals', repository.config.id);
      const journal = Journal.open(journals, journalKey(options));
      const segments = new SegmentWriter(repository);
      if (!dryRun) await segments.recover(journal.recoveredPacks.filter((packId) => !marked.has(packId)));
      if (journal.recoveredFiles > 0) {
        options.monitor?.note?.(
          `An earlier run was interrupted: ${journal.recoveredFiles} files that it stored are not read again`,
        );
      }
      return new BackupRun({ repository, options, lease, parent, journal, segments, marked });
    } catch (error) {
      await lease?.release();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#journal.close();
    this.#log.close();
    await this.#databases?.close();
    await this.#pool.close();
    await this.#count?.stop();
    await this.#claims.close();
    await this.#lease?.release();
  }

  async execute(): Promise<BackupResult> {
    const onAbort = (): void => this.#pool.fail(new EngineError('INTERRUPTED', 'The backup was interrupted'));
    this.#options.signal?.addEventListener('abort', onAbort, { once: true });
    try {
      return await this.#executeAll();
    } catch (error) {
      await this.#keepWhatIsStored();
      throw this.#options.signal?.aborted === true
        ? new EngineError(
            'INTERRUPTED',
            'Interrupted: what is stored is kept, and the next run goes on from there',
            error,
          )
        : error;
    } finally {
      this.#options.signal?.removeEventListener('abort', onAbort);
    }
  }

  async #executeAll(): Promise<BackupResult> {
    const context = this.#context;
    context.throwIfAborted();
    if (this.#options.stdin !== undefined) return this.#executeStream(this.#options.stdin);
    const sources = findSources(this.#fileSystem, this.#options.paths, context);
    reportUnrecognised(this.#options, context);
    const { backend, cacheDirectory } = this.#repository;
    const own = [...(backend.address === undefined ? [] : [backend.address.path]), cacheDirectory];
    for (const path of this.#options.paths) refuseRepository(backend, path, 'The source');
    if (this.#parent === undefined) this.#pool.start();
    this.#count = expectTotals(context, this.#parent, { options: this.#options, own });
    const dryRun = this.#options.dryRun === true;
    if (!dryRun) {
      this.#journal.begin(this.#startedNs);
      context.leftOut.storeWith((piece) => this.#saveLeftOut(piece));
    }
    this.#log = new DirectoryLog(cacheDirectory);
    const rules = this.#rules(this.#parent);
    // Rows that a dump has may lack files that come later; no file may lack its row.
    this.#dumps = await this.#dumpServers();
    if (!this.#dumps.isComplete) this.#options = withoutDumpExcludes(this.#options);
    const exclusions = new Exclusions(this.#fileSystem, this.#options);
    for (const path of own) exclusions.addOwnDirectory(path);
    await this.#databases?.captureKnown((path) => sources.covers(path) && !exclusions.matches(path, false), rules);

    let root = await this.#walk(sources, exclusions, {
      rules,
      parentTree: this.#options.force === true ? undefined : this.#parent?.tree,
      parent: this.#parent,
      mustList: undefined,
    });
    if (!dryRun) root = await this.#listMovedAgain(sources, exclusions, root);
    return this.#commit(root);
  }

  async #executeStream(source: StreamSource): Promise<BackupResult> {
    const { store, writer } = this.#streamStore();
    const root = await store.save(source);
    await writer.flush();
    return this.#commit(root);
  }

  #streamStore(): { readonly store: StreamStore; readonly writer: BlobWriter } {
    const writer = new BlobWriter(this.#repository, {
      kind: 'data',
      compressor: new Compressor(this.#options.compression ?? COMPRESSION_LEVEL_DEFAULT),
      onStored: (pack) => this.#stored(pack),
    });
    const store = new StreamStore({
      store: this.#repository,
      claims: this.#claims,
      writer,
      trees: this.#trees,
      context: this.#context,
      dryRun: this.#options.dryRun === true,
      onClaimed: () => this.#pool.shareClaims(),
    });
    this.#streamPacks = writer;
    return { store, writer };
  }

  async #dumpServers(): Promise<DumpResult> {
    const servers = this.#options.databaseServers ?? [];
    if (servers.length === 0) return NO_DUMPS;
    const { store, writer } = this.#streamStore();
    const dumps = new ServerDumpStore({
      store,
      trees: this.#trees,
      blobs: this.#repository.blobs,
      context: this.#context,
      parent: this.#parent,
    });
    const result = await dumps.save(servers);
    await writer.flush();
    this.#streamPacks = undefined;
    return result;
  }

  #rules(parent: Snapshot | undefined): ChangeRules {
    const { ignoreInode, ignoreCtime } = this.#options;
    return rulesSince(parent?.startedNs ?? 0n, {
      ignoreInode: ignoreInode === true,
      ignoreCtime: ignoreCtime === true,
    });
  }

  #log = new DirectoryLog(undefined);
  #dumps = NO_DUMPS;

  async #walk(
    sources: Sources,
    exclusions: Exclusions,
    against: {
      readonly rules: ChangeRules;
      readonly parentTree: BlobId | undefined;
      readonly parent: Snapshot | undefined;
      readonly mustList: ((path: Buffer) => boolean) | undefined;
    },
  ): Promise<DirectoryResult> {
    const { blobs } = this.#repository;
    const rootPath = Buffer.from('/');
    const rootDirectory = new OpenDirectory(this.#fileSystem, this.#fileSystem.openDirectory(rootPath, 'search'));
    const target = { block: Buffer.alloc(STAT_BYTES), extras: new Uint32Array(LISTING_EXTRA_WORDS) };
    this.#fileSystem.statDirectory(rootDirectory.handle, target);
    const device = `${target.extras[0]}:${target.extras[1]}`;
    const onMount = (path: Buffer, mounted: string): void => {
      this.#mounts.set(path.toString('latin1'), { path, device: mounted });
    };
    onMount(rootPath, device);
    const scanner = new Scanner({
      fileSystem: this.#fileSystem,
      blobs,
      trees: this.#trees,
      dispatcher: this.#dispatcher,
      context: this.#context,
      exclusions,
      rules: against.rules,
      moved: new MovedDirectories(blobs, this.#options.force === true ? undefined : against.parent),
      log: this.#log,
      journal: this.#journal,
      claims: this.#claims,
      databases: this.#databases,
      sniffAgain: this.#databases !== undefined && this.#parent?.rules['databases'] === false,
      mayLackBlobs: this.#repository.index.damage.length > 0,
      onMount,
      sources,
      dumps: this.#dumps.row,
      mustList: against.mustList,
    });
    const { parentTree } = against;
    const onDamage = (object: string, error: EngineError): void => this.#context.damaged(object, error);
    const rows = parentTree === undefined ? NO_PARENT_ROWS : await ParentRows.loadWhole(blobs, parentTree, onDamage);
    const { done } = await scanner.scan(
      { directory: rootDirectory, path: rootPath, device, depth: 0, leads: true },
      rows,
    );
    this.#dispatcher.flushBatch();
    return done;
  }

  /**
   * A directory whose time moved after it was listed may have got or lost entries that no listing saw, for instance a
   * folder that was renamed from one place that was not listed yet to one that was. Those are listed again.
   */
  async #listMovedAgain(sources: Sources, exclusions: Exclusions, first: DirectoryResult): Promise<DirectoryResult> {
    let root = first;
    let started = this.#startedNs;
    for (let round = 1; ; round++) {
      this.#context.throwIfAborted();
      const moved = this.#log.changed(this.#fileSystem);
      if (moved.length === 0) return root;
      if (round > RELIST_ROUNDS_MAX) {
        this.#reportUnsettled();
        return root;
      }
      await this.#treePacks.flush();
      const paths = moved.map((path) => path.toString('latin1'));
      const mustList = (path: Buffer): boolean => {
        const text = path.toString('latin1');
        return paths.some((one) => one === text || one.startsWith(`${text}/`));
      };
      const counts = { ...this.#context.counts };
      const rules = rulesSince(started, this.#rules(this.#parent));
      this.#log.beginRound();
      this.#context.beginRound();
      started = nowNs();
      const again = await this.#walk(sources, exclusions, {
        rules,
        parentTree: root.treeId,
        parent: undefined,
        mustList,
      });
      const { bytesNew, bytesRead } = this.#context.counts;
      Object.assign(this.#context.counts, counts, { bytesNew, bytesRead });
      root = again;
    }
  }

  #reportUnsettled(): void {
    for (const path of this.#log.unsettled(this.#fileSystem)) {
      this.#context.problem(
        path,
        'list',
        'CHANGED_WHILE_LISTED',
        `${path.toString('utf8')} changed each time it was listed; folders may be missing`,
      );
    }
  }

  /** A pack is durable: what it holds may be named from now on. */
  #stored(pack: StoredPack): void {
    this.#segments.add(pack);
    this.#journal.packStored(pack);
  }

  async #settleAll(): Promise<void> {
    await this.#pool.flush();
    await this.#treePacks.flush();
    await this.#segments.nameSalvaged();
    await this.#segments.flush();
  }

  /** After a failure: packs that are durable are named by a segment, so that the next run finds them. */
  async #keepWhatIsStored(): Promise<void> {
    if (this.#options.dryRun === true) return;
    try {
      const drained = this.#pool.drain(this.#options.signal?.aborted === true);
      await Promise.all([drained, this.#treePacks.idle(), this.#streamPacks?.idle()]);
      await this.#segments.flush();
    } catch {
      // The next run finds them through the journal.
    }
  }

  async #commit(root: DirectoryResult): Promise<BackupResult> {
    const context = this.#context;
    const dryRun = this.#options.dryRun === true;
    const leftOut = context.leftOut.finish();
    if (!dryRun) await this.#settleAll();
    context.throwIfAborted();
    const result = await saveSnapshot(this.#repository, {
      options: this.#options,
      context,
      parent: this.#parent,
      startedNs: this.#startedNs,
      tree: root.treeId,
      mounts: [...this.#mounts.values()],
      owners: this.#trees.owners,
      leftOut: { count: context.leftOut.count, content: leftOut },
      databases: [...this.#dumps.records, ...(this.#databases?.records ?? [])],
      counts: this.#counts(),
      lease: this.#lease,
    });
    // What an interrupted run left is for the next real run.
    if (!dryRun) this.#journal.finish();
    return result;
  }

  #saveLeftOut(piece: Buffer): BlobId {
    const id = this.#repository.keys.hashers.tree.digest(piece, BLOB_ID_BYTES) as BlobId;
    if (this.#claims.claim(id)) this.#treePacks.add(id, piece);
    return id;
  }

  #counts(): BackupCounts {
    const { bytesNew, bytesRead: _, ...counts } = this.#context.counts;
    return {
      ...counts,
      // What moved was counted as deleted where it had been.
      filesDeleted: Math.max(0, counts.filesDeleted - counts.filesMoved),
      dataAdded: bytesNew + this.#trees.bytesAdded,
      dataAddedPacked: this.#segments.bytesWritten,
      backupStart: new Date(Number(this.#startedNs / 1_000_000n)).toISOString(),
      backupEnd: new Date().toISOString(),
      totalDuration: (performance.now() - this.#startedMs) / 1000,
    };
  }
}
