/**
 * Dumps of database servers as files of the snapshot's tree, one after the other, streamed. One that fails is a problem
 * and no file: nothing refers to what was stored of it. One that is the parent's, byte for byte, keeps its row.
 */

import { EngineError, errorMessage, isEngineError } from '../../base/errors.ts';
import { joinPath } from '../../base/paths.ts';
import { S_IFDIR, S_IFREG, STAT_BYTES } from '../../base/stat.ts';
import { ROWS_CLASS } from '../../codec/file-class.ts';
import { planMariadbDumps } from '../../databases/mariadb.ts';
import { planPostgresDumps } from '../../databases/postgres.ts';
import {
  type DatabaseServer,
  describeServer,
  parseServer,
  type ServerAddress,
  serverName,
} from '../../databases/server-address.ts';
import type { DumpOutcome, DumpPlan, ServerDumps } from '../../databases/server-dump.ts';
import { type Content, encodeRow, type Node, ROW_STAT_OFFSET } from '../../format/row.ts';
import type { DatabaseRecord } from '../../format/snapshot.ts';
import { isDamage } from '../../repository/batch-reader.ts';
import type { BlobReader } from '../../repository/blob-reader.ts';
import { DUMP_FOLDER_NAME, DUMP_FOLDER_PATH } from '../../repository/dump-folder.ts';
import { findPath } from '../../repository/find-node.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import type { TreeWriter } from '../../repository/tree-writer.ts';
import type { RunContext } from './run-context.ts';
import { addRow, type DirectoryResult } from './scan-types.ts';
import { type StreamStore, streamedStat } from './stream-store.ts';

export interface DumpResult {
  /** Of the folder that holds them all. */
  readonly row: Buffer | undefined;
  readonly records: readonly DatabaseRecord[];
  /** Nothing that was asked for failed. */
  readonly isComplete: boolean;
}

export const NO_DUMPS: DumpResult = { row: undefined, records: [], isComplete: true };

export interface ServerDumpStoreOptions {
  readonly store: StreamStore;
  readonly trees: TreeWriter;
  readonly blobs: BlobReader;
  readonly context: RunContext;
  readonly parent: Snapshot | undefined;
}

/** One server, and what was asked of it. */
interface Wanted {
  readonly address: ServerAddress;
  /** Undefined: all databases. */
  names: Set<string> | undefined;
}

/** Directories and files by name, latin1. */
type Folder = Map<string, Folder | Buffer>;

export class ServerDumpStore {
  readonly #options: ServerDumpStoreOptions;
  readonly #records: DatabaseRecord[] = [];
  readonly #root: Folder = new Map();
  #hasFailed = false;

  constructor(options: ServerDumpStoreOptions) {
    this.#options = options;
  }

  /** INVALID_ARGUMENT for a URL that cannot be used; INTERRUPTED. What fails otherwise is a problem of that database. */
  async save(servers: readonly DatabaseServer[]): Promise<DumpResult> {
    const wanted = gather(servers.map(parseServer));
    for (const one of wanted) {
      const siblings = wanted.filter(({ address }) => address.kind === one.address.kind);
      const folders = [one.address.kind, ...(siblings.length > 1 ? [serverName(one.address)] : [])];
      await this.#saveServer(one, folders);
    }
    const isComplete = !this.#hasFailed;
    if (this.#root.size === 0) return { ...NO_DUMPS, isComplete };
    const row = await this.#directoryRow(DUMP_FOLDER_PATH, DUMP_FOLDER_NAME, this.#root);
    return { row, records: this.#records, isComplete };
  }

  async #saveServer({ address, names }: Wanted, folders: readonly string[]): Promise<void> {
    const { context } = this.#options;
    const path = folders.reduce<Buffer>((above, name) => joinPath(above, Buffer.from(name)), DUMP_FOLDER_PATH);
    let found: ServerDumps;
    try {
      const plan = address.kind === 'postgresql' ? planPostgresDumps : planMariadbDumps;
      found = await plan(address, names, context.signal);
    } catch (error) {
      this.#problem(path, `Cannot ask ${describeServer(address)} for its databases`, error);
      return;
    }
    for (const { database, message } of found.missing) {
      this.#hasFailed = true;
      context.problem(joinPath(path, Buffer.from(`${database}.sql`)), 'export', 'DATABASE_FAILED', message);
    }
    for (const plan of found.dumps) {
      context.throwIfAborted();
      const name = Buffer.from(plan.fileName);
      try {
        await this.#saveDump({ address, found, plan, path: joinPath(path, name), name, folders });
      } catch (error) {
        const what = plan.database === undefined ? 'the roles' : `the database "${plan.database}"`;
        this.#problem(joinPath(path, name), `Cannot dump ${what} of ${describeServer(address)}`, error);
      }
    }
  }

  #problem(path: Buffer, what: string, error: unknown): void {
    if (!isEngineError(error, 'DATABASE_FAILED') && !isEngineError(error, 'LIMIT_EXCEEDED')) throw error;
    this.#hasFailed = true;
    this.#options.context.problem(path, 'export', error.code, `${what}: ${errorMessage(error)}`);
  }

  async #saveDump(one: {
    readonly address: ServerAddress;
    readonly found: ServerDumps;
    readonly plan: DumpPlan;
    readonly path: Buffer;
    readonly name: Buffer;
    readonly folders: readonly string[];
  }): Promise<void> {
    const { context, store } = this.#options;
    const { plan, path, name } = one;
    for (const note of plan.notes) context.note(note);
    const begunMs = performance.now();
    const file = store.begin(path, ROWS_CLASS);
    const outcome = await plan.dump({ onPiece: (piece) => file.add(piece), signal: context.signal });
    const { content, size } = await file.finish();
    const durationSeconds = (performance.now() - begunMs) / 1000;
    const row = await this.#row(path, { name, content, mode: S_IFREG | 0o600, size });
    let folder = this.#root;
    for (const part of one.folders) folder = subFolder(folder, part);
    folder.set(name.toString('latin1'), row);
    this.#records.push(recordOf(one, { outcome, size, durationSeconds }));
  }

  /** The parent's row where all but the times is as it was; counts a file. */
  async #row(
    path: Buffer,
    fields: { readonly name: Buffer; readonly content: Content; readonly mode: number; readonly size: number },
  ): Promise<Buffer> {
    const { counts } = this.#options.context;
    const { name, content, mode, size } = fields;
    const before = await this.#before(path);
    const isFile = content.kind !== 'tree';
    if (before !== undefined) {
      const stat = before.row.subarray(ROW_STAT_OFFSET, ROW_STAT_OFFSET + STAT_BYTES);
      if (encodeRow({ name, content, stat }).equals(before.row)) {
        if (isFile)
          [counts.filesUnmodified, counts.totalFilesProcessed] = [
            counts.filesUnmodified + 1,
            counts.totalFilesProcessed + 1,
          ];
        return Buffer.from(before.row);
      }
    }
    if (isFile) {
      counts.totalFilesProcessed++;
      if (before === undefined) counts.filesNew++;
      else counts.filesChanged++;
    }
    return encodeRow({ name, content, stat: streamedStat(mode, size) });
  }

  async #before(path: Buffer): Promise<Node | undefined> {
    const { blobs, parent } = this.#options;
    if (parent === undefined) return undefined;
    try {
      const found = await findPath(blobs, parent, path);
      return found.kind === 'node' ? found.node : undefined;
    } catch (error) {
      if (isEngineError(error, 'PATH_NOT_FOUND') || isDamage(error)) return undefined;
      throw error;
    }
  }

  async #directoryRow(path: Buffer, name: Buffer, folder: Folder): Promise<Buffer> {
    const rows: Buffer[] = [];
    const sums = { filesBelow: 0, bytesBelow: 0 };
    const names = [...folder.keys()].map((text) => Buffer.from(text, 'latin1')).sort(Buffer.compare);
    for (const inner of names) {
      const entry = folder.get(inner.toString('latin1'));
      if (entry === undefined) throw new EngineError('INTERNAL', 'A dump vanished from its folder');
      const row = entry instanceof Map ? await this.#directoryRow(joinPath(path, inner), inner, entry) : entry;
      rows.push(row);
      addRow(sums, row, 0);
    }
    const result: DirectoryResult = { treeId: this.#options.trees.saveDirectory(rows), ...sums };
    return this.#row(path, { name, content: { kind: 'tree', ...result }, mode: S_IFDIR | 0o700, size: 0 });
  }
}

/** One entry for each server, in the order in which they were named. */
function gather(addresses: readonly ServerAddress[]): Wanted[] {
  const wanted = new Map<string, Wanted>();
  for (const address of addresses) {
    const key = `${address.kind} ${serverName(address)}`;
    const known = wanted.get(key);
    const names = address.database === undefined ? undefined : new Set([address.database]);
    if (known === undefined) wanted.set(key, { address, names });
    else if (names === undefined || known.names === undefined) known.names = undefined;
    else for (const name of names) known.names.add(name);
  }
  return [...wanted.values()];
}

function subFolder(folder: Folder, name: string): Folder {
  const known = folder.get(name);
  if (known instanceof Map) return known;
  const made: Folder = new Map();
  folder.set(name, made);
  return made;
}

function recordOf(
  one: { readonly address: ServerAddress; readonly found: ServerDumps; readonly plan: DumpPlan; readonly path: Buffer },
  taken: { readonly outcome: DumpOutcome; readonly size: number; readonly durationSeconds: number },
): DatabaseRecord {
  const { found, plan, path, address } = one;
  const { outcome, size, durationSeconds } = taken;
  return {
    path,
    kind: found.kind,
    bytes: size,
    check: 'ok',
    durationSeconds,
    details: {
      ...(plan.database === undefined ? {} : { database: plan.database }),
      server: describeServer(address),
      serverVersion: found.serverVersion,
      dumperVersion: found.dumperVersion,
      ...plan.facts,
      tables: outcome.tables,
      rowCounts: outcome.rowCounts.map(({ table, rows }) => ({ table, rows })),
    },
  };
}
