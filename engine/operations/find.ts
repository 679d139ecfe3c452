/** Searches all snapshots at once, folder by folder; what several of them share is looked at once. */

import { Breather } from '../base/concurrency.ts';
import { EngineError } from '../base/errors.ts';
import { BLOB_ID_BYTES, type BlobId, PACK_ID_BYTES } from '../base/ids.ts';
import { FIND_TREES_REMEMBERED_MAX } from '../base/limits.ts';
import { joinPath, ROOT_PATH } from '../base/paths.ts';
import { compareTimes, type NodeType, nodeTypeOfMode, readMode, readMtime, readSize, type Time } from '../base/stat.ts';
import { Glob } from '../filesystem/glob.ts';
import { decodeRow, type Node, ROW_NAME_OFFSET, ROW_STAT_OFFSET, rowLengthAt } from '../format/row.ts';
import { IdSet } from '../repository/id-set.ts';
import type { Repository } from '../repository/repository.ts';
import { rangesOf, type SnapshotRange } from '../repository/snapshot-ranges.ts';
import type { Snapshot, SnapshotFilter } from '../repository/snapshots.ts';
import { type MergedRow, mergeTrees } from '../repository/tree-merge.ts';

/** Every condition that is set must hold. */
export interface FindOptions {
  /** A shell pattern: of the name without a slash in it, else of the path. */
  readonly pattern?: string | undefined;
  readonly ignoreCase?: boolean | undefined;
  readonly type?: NodeType | undefined;
  /** Of regular files, in bytes. */
  readonly sizeMin?: number | undefined;
  readonly sizeMax?: number | undefined;
  /** Of the modification time. */
  readonly notBefore?: Time | undefined;
  readonly notAfter?: Time | undefined;
  /** What a blob belongs to: its id or the first digits of it. */
  readonly blob?: string | undefined;
  /** The same for all blobs of a pack. */
  readonly pack?: string | undefined;
  /** One snapshot alone. */
  readonly snapshot?: string | undefined;
  readonly filter?: SnapshotFilter | undefined;
  /** Told of snapshots that cannot be read. */
  readonly onDamage?: ((message: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One path in one state: a file whose content or metadata changed is found once for each. */
export interface FoundEntry {
  readonly path: Buffer;
  readonly node: Node;
  readonly user: string | undefined;
  readonly group: string | undefined;
  /** Where it was in this state. A folder counts as one state, whatever became of what it holds. */
  readonly ranges: readonly SnapshotRange[];
}

/** One version of a directory and the snapshots that have it. */
interface Version {
  readonly treeId: BlobId;
  readonly snapshots: readonly number[];
}

/**
 * Matches in order of their paths. INVALID_ARGUMENT for conditions that make no sense or none at all; INTERRUPTED after the
 * signal. Whoever takes no more of them, and returns the generator, ends the search: nothing goes on behind it.
 */
export async function* findEntries(repository: Repository, options: FindOptions): AsyncGenerator<FoundEntry> {
  const conditions = new Conditions(repository, options);
  const snapshots =
    options.snapshot === undefined
      ? await repository.snapshots.list(options.filter, (_id, error) => options.onDamage?.(error.message))
      : [await repository.snapshots.find(options.snapshot, options.filter)];
  await repository.loadIndex();
  const search = new Search(repository, conditions, snapshots, options.signal);
  const roots = versionsBy(snapshots.map(({ tree }, number) => ({ treeId: tree, snapshots: [number] })));
  for await (const batch of search.walk(ROOT_PATH, roots)) yield* batch;
}

/** Versions that are one tree are one. */
function versionsBy(all: readonly Version[]): Version[] {
  const versions = new Map<string, { treeId: BlobId; snapshots: number[] }>();
  for (const { treeId, snapshots } of all) {
    const key = treeId.toString('latin1');
    const known = versions.get(key);
    if (known === undefined) versions.set(key, { treeId, snapshots: [...snapshots] });
    else known.snapshots.push(...snapshots);
  }
  return [...versions.values()];
}

class Search {
  readonly #repository: Repository;
  readonly #conditions: Conditions;
  readonly #snapshots: readonly Snapshot[];
  readonly #breather: Breather;
  /** Trees in which nothing fits, wherever they lie. */
  readonly #barren = new IdSet();

  constructor(
    repository: Repository,
    conditions: Conditions,
    snapshots: readonly Snapshot[],
    signal: AbortSignal | undefined,
  ) {
    this.#repository = repository;
    this.#conditions = conditions;
    this.#snapshots = snapshots;
    this.#breather = new Breather(signal);
  }

  /** Returns how many were found. */
  async *walk(path: Buffer, all: readonly Version[]): AsyncGenerator<readonly FoundEntry[], number> {
    const versions = all.filter(({ treeId }) => !this.#barren.has(treeId));
    if (versions.length === 0) return 0;
    const { blobs } = this.#repository;
    const load = (treeId: BlobId) => blobs.loadTreePart(treeId);
    let found: FoundEntry[] = [];
    let count = 0;
    for await (const batch of mergeTrees(
      load,
      versions.map(({ treeId }) => treeId),
    )) {
      await this.#breather.breathe();
      for (const { name, rows } of batch) {
        const inner = joinPath(path, name);
        for (const entry of await this.#matchesOf(inner, name, { rows, versions })) {
          found.push(entry);
          count++;
        }
        const below = this.#directories(inner, rows, versions);
        if (below.length === 0) continue;
        if (found.length > 0) yield found;
        found = [];
        count += yield* this.walk(inner, below);
      }
      if (found.length > 0) yield found;
      found = [];
    }
    if (count === 0 && this.#conditions.holdAnywhere) this.#remember(versions);
    return count;
  }

  #remember(versions: readonly Version[]): void {
    for (const { treeId } of versions) {
      if (this.#barren.count < FIND_TREES_REMEMBERED_MAX) this.#barren.add(treeId);
    }
  }

  async #matchesOf(
    path: Buffer,
    name: Buffer,
    { rows, versions }: { readonly rows: readonly MergedRow[]; readonly versions: readonly Version[] },
  ): Promise<FoundEntry[]> {
    const states = new Map<string, { node: Node; present: Set<number> }>();
    for (const row of rows) {
      if (!this.#conditions.mayHold(row) || !this.#conditions.namesHold(path, name)) continue;
      const node = decodeRow(row.bytes.subarray(row.at, row.at + rowLengthAt(row.bytes, row.at)), 'a row');
      const key = stateOf(node);
      const state = states.get(key) ?? { node, present: new Set<number>() };
      const newestBefore = Math.max(-1, ...state.present);
      for (const version of row.versions) for (const one of versions[version]?.snapshots ?? []) state.present.add(one);
      if (Math.max(-1, ...state.present) > newestBefore) state.node = node;
      states.set(key, state);
    }
    const found: FoundEntry[] = [];
    for (const { node, present } of states.values()) {
      if (!(await this.#conditions.contentHolds(node))) continue;
      const newest = this.#snapshots[Math.max(...present)];
      found.push({
        path,
        node,
        user: newest?.users[String(node.uid)],
        group: newest?.groups[String(node.gid)],
        ranges: rangesOf(this.#snapshots, path, present),
      });
    }
    return found.sort((a, b) => compareStarts(a, b));
  }

  #directories(path: Buffer, rows: readonly MergedRow[], versions: readonly Version[]): Version[] {
    const inner: Version[] = [];
    for (const { bytes, at, versions: numbers } of rows) {
      if (nodeTypeOfMode(readMode(bytes, at + ROW_STAT_OFFSET)) !== 'dir') continue;
      const { content } = decodeRow(bytes.subarray(at, at + rowLengthAt(bytes, at)), 'a row');
      if (content.kind !== 'tree') continue;
      inner.push({
        treeId: content.treeId,
        snapshots: numbers.flatMap((number) => versions[number]?.snapshots ?? []),
      });
    }
    return inner.length === 0 || !this.#conditions.mayHoldBelow(path) ? [] : versionsBy(inner);
  }
}

function compareStarts(a: FoundEntry, b: FoundEntry): number {
  const [x, y] = [a.ranges[0]?.first.startedNs ?? 0n, b.ranges[0]?.first.startedNs ?? 0n];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** What makes two rows one state: all that a person sees of them. */
function stateOf(node: Node): string {
  const { type, mode, uid, gid, mtime, row, size } = node;
  if (type === 'dir') return 'dir';
  // Content, attributes and the target of a link stand behind the name in the row's own bytes.
  const rest = row.toString('latin1', ROW_NAME_OFFSET + node.name.length);
  return [mode, uid, gid, size, mtime.seconds, mtime.nanoseconds, rest].join(' ');
}

class Conditions {
  readonly #repository: Repository;
  readonly #options: FindOptions;
  readonly #glob: Glob | undefined;
  readonly #blob: string | undefined;
  readonly #pack: string | undefined;

  constructor(repository: Repository, options: FindOptions) {
    this.#repository = repository;
    this.#options = options;
    const { pattern, ignoreCase } = options;
    this.#glob = pattern === undefined ? undefined : new Glob(pattern, { caseInsensitive: ignoreCase });
    this.#blob = idPrefix('blob', options.blob, BLOB_ID_BYTES);
    this.#pack = idPrefix('pack', options.pack, PACK_ID_BYTES);
    const { type, sizeMin, sizeMax, notBefore, notAfter, blob, pack } = options;
    if ([pattern, type, sizeMin, sizeMax, notBefore, notAfter, blob, pack].every((one) => one === undefined)) {
      throw new EngineError(
        'INVALID_ARGUMENT',
        'Say what to look for: a pattern, a type, a size, a time, a blob or a pack',
      );
    }
  }

  /** True where what is in a tree fits or not, wherever the tree lies. */
  get holdAnywhere(): boolean {
    return this.#glob?.isForNames !== false;
  }

  namesHold(path: Buffer, name: Buffer): boolean {
    return this.#glob?.matches(path, name) !== false;
  }

  mayHoldBelow(path: Buffer): boolean {
    if (this.#glob === undefined || this.#glob.isForNames) return true;
    return this.#glob.mayMatchBelow(path);
  }

  /** What the row's fixed fields say, without decoding it. */
  mayHold({ bytes, at }: MergedRow): boolean {
    const { type, sizeMin, sizeMax, notBefore, notAfter } = this.#options;
    const stat = at + ROW_STAT_OFFSET;
    const own = nodeTypeOfMode(readMode(bytes, stat));
    if (type !== undefined && own !== type) return false;
    if (sizeMin !== undefined || sizeMax !== undefined) {
      const size = readSize(bytes, stat);
      if (own !== 'file' || size < (sizeMin ?? 0) || size > (sizeMax ?? Number.POSITIVE_INFINITY)) return false;
    }
    if (notBefore === undefined && notAfter === undefined) return true;
    const mtime = readMtime(bytes, stat);
    if (notBefore !== undefined && compareTimes(mtime, notBefore) < 0) return false;
    return notAfter === undefined || compareTimes(mtime, notAfter) <= 0;
  }

  async contentHolds(node: Node): Promise<boolean> {
    if (this.#blob === undefined && this.#pack === undefined) return true;
    const { content } = node;
    if (content.kind === 'tree') return this.#isWanted(content.treeId);
    if (content.kind === 'indirect' && content.entries.some(({ listId }) => this.#isWanted(listId))) return true;
    for await (const { blobId } of this.#repository.blobs.content(content, node.size)) {
      if (blobId !== undefined && this.#isWanted(blobId)) return true;
    }
    return false;
  }

  #isWanted(id: BlobId): boolean {
    if (this.#blob !== undefined && !id.toString('hex').startsWith(this.#blob)) return false;
    const pack = this.#pack;
    if (pack === undefined) return true;
    const { index } = this.#repository;
    return index.findAll(id).some((place) => index.pack(place.pack)?.packId.startsWith(pack) === true);
  }
}

function idPrefix(what: string, text: string | undefined, bytes: number): string | undefined {
  if (text === undefined) return undefined;
  const id = text.toLowerCase();
  if (/^[0-9a-f]{4,}$/.test(id) && id.length <= bytes * 2) return id;
  throw new EngineError(
    'INVALID_ARGUMENT',
    `"${text}" is no id of a ${what}: give 4 to ${bytes * 2} hexadecimal digits`,
  );
}
