/** Takes a snapshot. The data's way is in ARCHITECTURE.md; this file puts the parts together and orders the writes. */

import { createHash } from 'node:crypto';
import { availableParallelism, hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { ByteReader } from '../../base/bytes.ts';
import { EngineError, type Problem } from '../../base/errors.ts';
import { BLOB_ID_BYTES, type BlobId, type SnapshotId } from '../../base/ids.ts';
import {
  CHUNK_SMALL_BYTES_MAX,
  CLOCK_TICK_MS_MAX,
  COMPRESSION_LEVEL_DEFAULT,
  COMPRESSION_LEVEL_MAX,
  INDEX_SEGMENT_BLOBS_MAX,
  RELIST_ROUNDS_MAX,
  WORKERS_DEFAULT_MAX,
  WORKERS_MAX,
} from '../../base/limits.ts';
import type { Monitor } from '../../base/monitor.ts';
import { STAT_BYTES } from '../../base/stat.ts';
import { Compressor } from '../../codec/compression.ts';
import { createFileSystem } from '../../filesystem/create.ts';
import { createOwnerNames } from '../../filesystem/owners.ts';
import { type FileSystem, FileSystemError, LISTING_EXTRA_WORDS } from '../../filesystem/types.ts';
import type { JsonObject } from '../../format/canonical-json.ts';
import { readPackHeader } from '../../format/pack-header.ts';
import type { BackupCounts, DatabaseRecord, SnapshotRecord } from '../../format/snapshot.ts';
import { HeldLease } from '../../repository/leases.ts';
import { loadPackHeader } from '../../repository/pack-headers.ts';
import { PackWriter, type StoredPack } from '../../repository/pack-writer.ts';
import type { Repository } from '../../repository/repository.ts';
import { RunClaims } from '../../repository/run-claims.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import { TreeWriter } from '../../repository/tree-writer.ts';
import { DatabaseCapture } from './database-capture.ts';
import { DirectoryLog } from './directory-log.ts';
import { type ExclusionOptions, Exclusions } from './exclusions.ts';
import { FileDispatcher } from './file-dispatcher.ts';
import { Journal } from './journal.ts';
import { MovedDirectories } from './moved-directories.ts';
import { OpenDirectory } from './open-directory.ts';
import { type ChangeRules, NO_PARENT_ROWS, ParentRows } from './parent-rows.ts';
import { RunContext } from './run-context.ts';
import { type DirectoryResult, Scanner } from './scanner.ts';
import { findSources, type Sources } from './sources.ts';
import { WorkerPool } from './worker-pool.ts';

export interface BackupOptions extends ExclusionOptions {
  /** Absolute paths. */
  readonly paths: readonly Buffer[];
  readonly tags?: readonly string[] | undefined;
  readonly label?: string | undefined;
  /** Default: the machine's name. */
  readonly host?: string | undefined;
  /** The snapshot's time; default: now. */
  readonly time?: Date | undefined;
  readonly oneFileSystem?: boolean | undefined;
  readonly ignoreInode?: boolean | undefined;
  readonly ignoreCtime?: boolean | undefined;
  /** zstd level, 1 to COMPRESSION_LEVEL_MAX. */
  readonly compression?: number | 'off' | undefined;
  /** Default: the cores, up to WORKERS_DEFAULT_MAX. */
  readonly workers?: number | undefined;
  readonly readBytesPerSecond?: number | undefined;
  /** False: SQLite files are stored like any other file. */
  readonly databases?: boolean | undefined;
  /** Snapshot to compare with; default: the newest of the same paths. */
  readonly parent?: string | undefined;
  /** Read every file again. */
  readonly force?: boolean | undefined;
  /** Save no snapshot when nothing changed. */
  readonly skipIfUnchanged?: boolean | undefined;
  /** Throw PROBLEMS_FOUND instead of saving a snapshot with problems. */
  readonly strict?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
  readonly monitor?: Monitor | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly program?: string | undefined;
}

export interface BackupResult {
  /** Undefined for a dry run, and where nothing changed and that was asked for. */
  readonly snapshot: Snapshot | undefined;
  readonly parent: SnapshotId | undefined;
  readonly counts: BackupCounts;
  readonly databases: readonly DatabaseRecord[];
  /** At most SNAPSHOT_PROBLEMS_MAX of problemCount. */
  readonly problems: readonly Problem[];
  readonly problemCount: number;
  /** True where nothing changed and no snapshot was saved for that reason. */
  readonly skipped: boolean;
}

/**
 * Stores the sources and saves a snapshot, last of all. Problems of single files are in the result; what concerns the
 * repository throws: STORAGE_FAILED, OBJECT_CORRUPT, REPOSITORY_LOCKED; INTERRUPTED after the signal; SOURCE_MISSING
 * where no source exists.
 */
export async function backup(repository: Repository, options: BackupOptions): Promise<BackupResult> {
  requireOptions(options);
  const run = await BackupRun.prepare(repository, options);
  try {
    return await run.execute();
  } finally {
    await run.close();
  }
}

function requireOptions(options: BackupOptions): void {
  const { compression, workers, paths } = options;
  if (
    compression !== undefined &&
    compression !== 'off' &&
    !(compression >= 1 && compression <= COMPRESSION_LEVEL_MAX)
  ) {
    throw new EngineError(
      'INVALID_ARGUMENT',
      `Compression is "off" or a level from 1 to ${COMPRESSION_LEVEL_MAX}, not ${compression}`,
    );
  }
  if (workers !== undefined && !(Number.isInteger(workers) && workers >= 1 && workers <= WORKERS_MAX)) {
    throw new EngineError('INVALID_ARGUMENT', `Workers are a number from 1 to ${WORKERS_MAX}, not ${workers}`);
  }
  if (paths.length === 0) throw new EngineError('INVALID_ARGUMENT', 'No source was named');
  for (const path of paths) {
    if (path[0] !== 0x2f)
      throw new EngineError('INVALID_ARGUMENT', `The source "${path.toString('utf8')}" is not an absolute path`);
  }
}

function nowNs(): bigint {
  return BigInt(Math.floor((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
}

interface PendingPack extends StoredPack {
  readonly blobs: number;
}

class BackupRun {
  readonly #repository: Repository;
  readonly #options: BackupOptions;
  readonly #context: RunContext;
  readonly #fileSystem: FileSystem = createFileSystem();
  readonly #lease: HeldLease | undefined;
  readonly #parent: Snapshot | undefined;
  readonly #journal: Journal;
  readonly #claims: RunClaims;
  readonly #startedNs = nowNs();
  readonly #startedMs = performance.now();
  readonly #pool: WorkerPool;
  readonly #treePacks: PackWriter;
  readonly #trees: TreeWriter;
  readonly #dispatcher: FileDispatcher;
  readonly #databases: DatabaseCapture | undefined;
  readonly #mounts = new Map<string, { path: Buffer; device: string }>();
  #packs: PendingPack[] = [];
  #indexing: Promise<void> = Promise.resolve();
  #indexFailure: unknown;
  #packedBytes = 0;

  private constructor(parts: {
    readonly repository: Repository;
    readonly options: BackupOptions;
    readonly lease: HeldLease | undefined;
    readonly parent: Snapshot | undefined;
    readonly journal: Journal;
    readonly recovered: readonly PendingPack[];
  }) {
    const { repository, options } = parts;
    this.#repository = repository;
    this.#options = options;
    this.#lease = parts.lease;
    this.#parent = parts.parent;
    this.#journal = parts.journal;
    this.#packs = [...parts.recovered];
    this.#context = new RunContext(options);
    this.#claims = RunClaims.begin(repository.index.shared());
    const compressionLevel = options.compression ?? COMPRESSION_LEVEL_DEFAULT;
    const dryRun = options.dryRun === true;
    this.#pool = new WorkerPool(repository, {
      workers: options.workers ?? Math.min(availableParallelism(), WORKERS_DEFAULT_MAX),
      claims: this.#claims,
      compressionLevel,
      sniffDatabases: options.databases !== false,
      dryRun,
      readBytesPerSecond: options.readBytesPerSecond,
      onStored: (pack, worker) => this.#stored(pack, worker),
    });
    this.#treePacks = new PackWriter(repository, {
      kind: 'tree',
      compressor: new Compressor(compressionLevel),
      onStored: (pack) => this.#stored(pack, -1),
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
      onEffects: ({ effects }) => {
        this.#context.counts.bytesNew += effects.bytesNew;
        this.#context.counts.bytesRead += effects.bytesRead;
      },
    });
    if (options.databases !== false) {
      this.#databases = new DatabaseCapture({
        fileSystem: this.#fileSystem,
        dispatcher: this.#dispatcher,
        context: this.#context,
        scratchParent: join(repository.cacheDirectory, 'scratch'),
        known: parts.parent?.databases ?? [],
      });
    }
  }

  static async prepare(repository: Repository, options: BackupOptions): Promise<BackupRun> {
    const parent = await findParent(repository, options);
    const parents = parent === undefined ? [] : [parent.id];
    const dryRun = options.dryRun === true;
    // The lease comes before the index is read: prune counts on that.
    const lease = dryRun
      ? undefined
      : await HeldLease.acquire(repository, { verb: 'backup', exclusive: false, parents });
    try {
      await repository.index.refresh({ onlyExisting: true });
      for (const { object, error } of repository.index.damage) options.monitor?.note?.(`${object}: ${error.message}`);
      const journals = join(repository.cacheDirectory, 'journals', repository.config.id);
      const journal = Journal.open(journals, journalKey(options));
      const recovered = dryRun ? [] : await recoverPacks(repository, journal);
      if (journal.recoveredFiles > 0) {
        options.monitor?.note?.(
          `An earlier run was interrupted: ${journal.recoveredFiles} files that it stored are not read again`,
        );
      }
      return new BackupRun({ repository, options, lease, parent, journal, recovered });
    } catch (error) {
      await lease?.release();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#journal.close();
    await this.#databases?.close();
    await this.#pool.close();
    await this.#lease?.release();
  }

  // ---- the run

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
    const sources = findSources(this.#fileSystem, this.#options.paths, context);
    if (this.#parent === undefined) this.#pool.start();
    else await this.#expectTotals(this.#parent);
    const dryRun = this.#options.dryRun === true;
    if (!dryRun) this.#journal.begin(this.#startedNs);
    const exclusions = new Exclusions(this.#fileSystem, this.#options);
    if (this.#repository.backend.address !== undefined)
      exclusions.addOwnDirectory(this.#repository.backend.address.path);
    exclusions.addOwnDirectory(this.#repository.cacheDirectory);
    const rules = this.#rules(this.#parent);
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

  async #expectTotals(parent: Snapshot): Promise<void> {
    this.#context.filesTotal = parent.summary.totalFilesProcessed;
    this.#context.bytesTotal = parent.summary.totalBytesProcessed;
  }

  #rules(parent: Snapshot | undefined): ChangeRules {
    const { ignoreInode, ignoreCtime } = this.#options;
    return rulesSince(parent?.startedNs ?? 0n, {
      ignoreInode: ignoreInode === true,
      ignoreCtime: ignoreCtime === true,
    });
  }

  #log = new DirectoryLog();

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
    this.#log = new DirectoryLog();
    const rootPath = Buffer.from('/');
    const rootDirectory = new OpenDirectory(this.#fileSystem, this.#fileSystem.openDirectory(rootPath));
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
      onMount,
      sources,
      oneFileSystem: this.#options.oneFileSystem === true,
      mustList: against.mustList,
    });
    const { parentTree } = against;
    const rows = parentTree === undefined ? NO_PARENT_ROWS : await ParentRows.load(blobs, parentTree);
    const { done } = await scanner.scan({ directory: rootDirectory, path: rootPath, device, depth: 0 }, rows);
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
      const moved = this.#log.changed((path, block) => this.#statPath(path, block));
      if (moved.length === 0) return root;
      if (round > RELIST_ROUNDS_MAX) return root;
      await this.#settleTrees();
      const paths = moved.map((path) => path.toString('latin1'));
      const mustList = (path: Buffer): boolean => {
        const text = path.toString('latin1');
        return paths.some((one) => one === text || one.startsWith(`${text}/`));
      };
      const counts = { ...this.#context.counts };
      const rules = { ...this.#rules(this.#parent), ...rulesSince(started, this.#rules(this.#parent)) };
      started = nowNs();
      const again = await this.#walk(sources, exclusions, {
        rules,
        parentTree: root.treeId,
        parent: undefined,
        mustList,
      });
      const { bytesNew, bytesRead } = this.#context.counts;
      Object.assign(this.#context.counts, counts, { bytesNew, bytesRead });
      if (again.treeId.equals(root.treeId)) return again;
      if (round === RELIST_ROUNDS_MAX && again.filesBelow !== root.filesBelow) {
        for (const path of moved.slice(0, 10)) {
          this.#context.problem(
            path,
            'list',
            'CHANGED_WHILE_LISTED',
            `${path.toString('utf8')} changed each time it was listed; entries may be missing`,
          );
        }
      }
      root = again;
    }
  }

  #statPath(path: Buffer, block: Buffer): boolean {
    const target = { block, extras: new Uint32Array(LISTING_EXTRA_WORDS) };
    try {
      const directory = this.#fileSystem.openDirectory(path);
      try {
        this.#fileSystem.statDirectory(directory, target);
      } finally {
        this.#fileSystem.close(directory);
      }
      return true;
    } catch (error) {
      if (!(error instanceof FileSystemError)) throw error;
      return false;
    }
  }

  // ---- storing

  /** A pack is durable: what it holds may be named from now on. */
  #stored(pack: StoredPack, worker: number): void {
    const table = readPackHeader(new ByteReader(pack.headerRecord, `the header of pack ${pack.packId}`));
    this.#packs.push({ ...pack, blobs: table.blobCount });
    this.#packedBytes += pack.packLength;
    // Trees of this run are read again when directories moved; of data blobs that is never needed.
    if (table.kind === 'tree')
      this.#repository.index.addPack({ packId: pack.packId, packLength: pack.packLength, table });
    this.#journal.packStored(worker, pack);
    if (this.#packs.reduce((sum, item) => sum + item.blobs, 0) >= INDEX_SEGMENT_BLOBS_MAX) this.#saveIndex();
  }

  /** Writes an index segment for the packs that are durable, behind those that are being written. */
  #saveIndex(): void {
    const packs = this.#packs;
    this.#packs = [];
    if (packs.length === 0) return;
    this.#indexing = this.#indexing
      .then(async () => {
        this.#packedBytes += await this.#repository.index.save(packs);
      })
      .catch((error: unknown) => {
        this.#indexFailure ??= error;
      });
  }

  async #settleTrees(): Promise<void> {
    await this.#treePacks.flush();
  }

  async #settleAll(): Promise<void> {
    await this.#pool.flush();
    await this.#treePacks.flush();
    this.#saveIndex();
    await this.#indexing;
    if (this.#indexFailure !== undefined) throw this.#indexFailure;
  }

  /** After a failure: packs that are durable are named by a segment, so that the next run finds them. */
  async #keepWhatIsStored(): Promise<void> {
    if (this.#options.dryRun === true) return;
    try {
      this.#saveIndex();
      await this.#indexing;
    } catch {
      // The next run finds them through the journal.
    }
  }

  async #commit(root: DirectoryResult): Promise<BackupResult> {
    const context = this.#context;
    const { parent, options } = { parent: this.#parent, options: this.#options };
    const leftOut = options.dryRun === true ? [] : this.#saveLeftOut();
    if (options.dryRun !== true) await this.#settleAll();
    context.throwIfAborted();
    const databases = this.#databases?.records ?? [];
    const unchanged = parent?.tree.equals(root.treeId) === true && context.problemCount === 0;
    const skipped = unchanged && options.skipIfUnchanged === true;
    const result = {
      parent: parent?.id,
      databases,
      problems: context.problems,
      problemCount: context.problemCount,
      skipped,
    };
    const counts = this.#counts();
    if (options.strict === true && context.problemCount > 0) {
      throw new EngineError(
        'PROBLEMS_FOUND',
        `${context.problemCount} problems were met and --strict was asked for: no snapshot was saved`,
      );
    }
    if (options.dryRun === true || skipped) {
      this.#journal.finish();
      return { ...result, snapshot: undefined, counts };
    }
    const owners = this.#owners();
    const record: SnapshotRecord = {
      time: isoWithZone(options.time ?? new Date(Number(this.#startedNs / 1_000_000n))),
      startedNs: this.#startedNs,
      host: options.host ?? hostname(),
      user: userName(),
      label: options.label ?? '',
      tags: [...new Set(options.tags ?? [])],
      paths: [...options.paths],
      parent: parent?.id,
      tree: root.treeId,
      mounts: [...this.#mounts.values()],
      ...owners,
      rules: rulesJson(options),
      leftOut: { count: context.leftOut.count, content: leftOut },
      problems: context.problems,
      problemCount: context.problemCount,
      databases,
      summary: counts,
      program: options.program ?? 'snap',
    };
    const snapshot = await this.#repository.snapshots.save(record);
    this.#journal.finish();
    return { ...result, snapshot, counts };
  }

  #saveLeftOut(): BlobId[] {
    const ids: BlobId[] = [];
    for (const piece of this.#context.leftOut.pieces(CHUNK_SMALL_BYTES_MAX)) {
      const id = this.#repository.keys.hashers.tree.digest(piece, BLOB_ID_BYTES) as BlobId;
      if (this.#claims.claim(id)) this.#treePacks.add(id, piece);
      ids.push(id);
    }
    return ids;
  }

  #owners(): Pick<SnapshotRecord, 'users' | 'groups'> {
    const names = createOwnerNames();
    const users: { [uid: string]: string } = {};
    const groups: { [gid: string]: string } = {};
    for (const id of this.#trees.owners.uids) {
      const name = names.user(id);
      if (name !== undefined) users[String(id)] = name;
    }
    for (const id of this.#trees.owners.gids) {
      const name = names.group(id);
      if (name !== undefined) groups[String(id)] = name;
    }
    return { users: { ...this.#parent?.users, ...users }, groups: { ...this.#parent?.groups, ...groups } };
  }

  #counts(): BackupCounts {
    const { bytesNew, bytesRead: _, ...counts } = this.#context.counts;
    return {
      ...counts,
      dataAdded: bytesNew + this.#trees.bytesAdded,
      dataAddedPacked: this.#packedBytes,
      backupStart: new Date(Number(this.#startedNs / 1_000_000n)).toISOString(),
      backupEnd: new Date().toISOString(),
      totalDuration: (performance.now() - this.#startedMs) / 1000,
    };
  }
}

async function findParent(repository: Repository, options: BackupOptions): Promise<Snapshot | undefined> {
  if (options.parent !== undefined) return repository.snapshots.find(options.parent);
  const host = options.host ?? hostname();
  // An unreadable snapshot is no reason not to take the next one; check names it.
  const all = await repository.snapshots.list({}, () => undefined);
  const same = all.filter((snapshot) => samePaths(snapshot.paths, options.paths));
  return same.findLast((snapshot) => snapshot.host === host) ?? same.at(-1);
}

function samePaths(a: readonly Buffer[], b: readonly Buffer[]): boolean {
  return a.length === b.length && a.every((path) => b.some((other) => other.equals(path)));
}

/** Packs that an interrupted run made durable but did not name in a segment. */
async function recoverPacks(repository: Repository, journal: Journal): Promise<PendingPack[]> {
  const packs: PendingPack[] = [];
  for (const packId of journal.recoveredPacks) {
    if (repository.index.hasPack(packId)) continue;
    try {
      const pack = await loadPackHeader(repository, packId);
      repository.index.addPack(pack);
      packs.push({ ...pack, sequence: 0, blobs: pack.table.blobCount });
    } catch (error) {
      if (!(error instanceof EngineError) || error.code === 'STORAGE_FAILED') throw error;
    }
  }
  return packs;
}

function journalKey(options: BackupOptions): string {
  const hash = createHash('sha256');
  for (const path of options.paths) hash.update(path).update('\0');
  return hash.digest('hex').slice(0, 24);
}

function rulesSince(
  startedNs: bigint,
  ignore: { readonly ignoreInode: boolean; readonly ignoreCtime: boolean },
): ChangeRules {
  const trusted = startedNs - BigInt(CLOCK_TICK_MS_MAX) * 1_000_000n;
  const { ignoreInode, ignoreCtime } = ignore;
  const trustedBefore = { seconds: Number(trusted / 1_000_000_000n), nanoseconds: Number(trusted % 1_000_000_000n) };
  return { ignoreInode, ignoreCtime, trustedBefore };
}

function rulesJson(options: BackupOptions): JsonObject {
  return {
    excludes: [...(options.excludes ?? [])],
    caseInsensitiveExcludes: [...(options.caseInsensitiveExcludes ?? [])],
    excludeIfPresent: [...(options.excludeIfPresent ?? [])],
    excludeCaches: options.excludeCaches === true,
    excludeLargerThan: options.excludeLargerThan ?? null,
    oneFileSystem: options.oneFileSystem === true,
    databases: options.databases !== false,
  };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return '';
  }
}

/** ISO 8601 in local time with its offset. */
function isoWithZone(date: Date): string {
  const offset = -date.getTimezoneOffset();
  const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, -1);
  const sign = offset < 0 ? '-' : '+';
  const two = (value: number): string => String(Math.floor(Math.abs(value))).padStart(2, '0');
  return `${local}${sign}${two(offset / 60)}:${two(offset % 60)}`;
}
