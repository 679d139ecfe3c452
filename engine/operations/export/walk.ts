/** What of a snapshot goes into an archive, in the order in which it stands there. */

import { Breather } from '../../base/concurrency.ts';
import { EngineError } from '../../base/errors.ts';
import type { BlobId } from '../../base/ids.ts';
import { EXPORT_LINK_GROUPS_MAX } from '../../base/limits.ts';
import { baseName, isWithin, joinPath } from '../../base/paths.ts';
import type { NodeType } from '../../base/stat.ts';
import type { ArchiveEntry } from '../../format/archive-entry.ts';
import { decodeRow, type Node } from '../../format/row.ts';
import { isDamage } from '../../repository/batch-reader.ts';
import { findPath } from '../../repository/find-node.ts';
import type { Repository } from '../../repository/repository.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import { leavesFrom, type PlacedRow, rowsFrom } from '../../repository/tree-range.ts';

/** An entry without what is read of its content: the map of a sparse file. */
export interface WalkedEntry {
  readonly entry: ArchiveEntry;
  readonly node: Node;
  /** Where it is in the snapshot. */
  readonly path: Buffer;
}

export interface WalkOptions {
  readonly repository: Repository;
  readonly snapshot: Snapshot;
  readonly path: Buffer | undefined;
  /**
   * Where it goes in the archive: what a folder holds is put below it, anything else is it. Default: the root of the archive,
   * and anything else under its own name.
   */
  readonly as?: Buffer | undefined;
  /** Types that the format has a place for. */
  readonly types: ReadonlySet<NodeType>;
  /** Later names of an inode refer to the first one. */
  readonly hardLinks: boolean;
  /** The folder that is exported has an entry of its own: `as`, or `.`. */
  readonly ownEntry: boolean;
  readonly onLeftOut: (node: Node, path: Buffer) => void;
  readonly signal: AbortSignal | undefined;
}

/** A place in the snapshot and in the archive. */
interface Place {
  readonly path: Buffer;
  readonly inArchive: Buffer;
  readonly device: string;
}

/** A folder that is being walked. */
interface Level {
  readonly place: Place;
  readonly rows: AsyncGenerator<Iterable<PlacedRow>>;
  current: Iterator<PlacedRow>;
  /** Names that lead to the entry behind which the walk begins, until it is passed. */
  behind: readonly Buffer[];
}

const SLASH = 0x2f;
const NO_BYTES = Buffer.alloc(0);
const PERMISSIONS = 0o7777;

/** What a zip has a place for. */
export const ZIP_TYPES: ReadonlySet<NodeType> = new Set(['file', 'dir', 'symlink']);

export class ArchiveWalk {
  readonly #options: WalkOptions;
  readonly #devices: ReadonlyMap<string, string>;
  readonly #breather: Breather;
  /** First names of inodes of which more are to come. */
  readonly #links = new Map<string, { readonly path: Buffer; left: number }>();

  constructor(options: WalkOptions) {
    this.#options = options;
    this.#breather = new Breather(options.signal);
    this.#devices = new Map(options.snapshot.mounts.map(({ path, device }) => [path.toString('latin1'), device]));
  }

  /**
   * Each folder before what it holds, names in order of their bytes; all, or those behind the entry at a path of the
   * snapshot. PATH_NOT_FOUND; OBJECT_CORRUPT and OBJECT_MISSING for damaged trees; INTERRUPTED after the signal.
   */
  async *entries(after?: Buffer): AsyncGenerator<WalkedEntry> {
    const { repository, snapshot, path = Buffer.from('/'), as = NO_BYTES } = this.#options;
    const found = await findPath(repository.blobs, snapshot, path);
    const place: Place = { path: found.path, inArchive: as, device: this.#deviceOf(found.path) };
    const treeId = found.kind === 'root' ? found.treeId : treeOf(found.node);
    if (found.kind === 'node' && after === undefined) {
      if (treeId === undefined) {
        yield* this.#taken(found.node, { ...place, inArchive: as.length > 0 ? as : baseName(found.path) });
      } else if (this.#options.ownEntry) {
        yield this.#walked(found.node, { ...place, inArchive: as.length > 0 ? as : Buffer.from('.') });
      }
    }
    if (treeId !== undefined) yield* this.#below(treeId, place, namesBelow(found.path, after));
  }

  /** The device that is mounted nearest above a path. */
  #deviceOf(path: Buffer): string {
    const text = path.toString('latin1');
    for (let end = text.length; end > 0; end = text.lastIndexOf('/', end - 1)) {
      const device = this.#devices.get(text.slice(0, end));
      if (device !== undefined) return device;
    }
    return this.#devices.get('/') ?? '';
  }

  /** One generator for all levels: handing entries up level by level would cost more than reading them. */
  async *#below(treeId: BlobId, place: Place, behind: readonly Buffer[]): AsyncGenerator<WalkedEntry> {
    const levels = [this.#level(treeId, place, behind)];
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      const row = level.current.next();
      if (row.done === true) {
        if (!(await this.#nextLeaf(level))) levels.pop();
        continue;
      }
      const node = this.#nodeAt(row.value, level.place);
      const inner = this.#placeOf(node, level.place);
      const [first, ...rest] = level.behind;
      level.behind = [];
      // It was given before, and what it holds up to a certain name.
      const isPassed = first !== undefined && node.name.equals(first);
      if (!isPassed) yield* this.#taken(node, inner);
      const tree = this.#options.types.has(node.type) ? treeOf(node) : undefined;
      if (tree !== undefined) levels.push(this.#level(tree, inner, isPassed ? rest : []));
    }
  }

  #level(treeId: BlobId, place: Place, behind: readonly Buffer[]): Level {
    const name = behind[0];
    const { blobs } = this.#options.repository;
    const rows = async function* (): AsyncGenerator<Iterable<PlacedRow>> {
      for await (const leaf of leavesFrom(blobs, treeId, name)) yield rowsFrom(leaf, name, 'at');
    };
    return { place, rows: rows(), current: [][Symbol.iterator](), behind };
  }

  async #nextLeaf(level: Level): Promise<boolean> {
    await this.#breather.breathe();
    try {
      const next = await level.rows.next();
      if (next.done === true) return false;
      level.current = next.value[Symbol.iterator]();
      return true;
    } catch (error) {
      if (!isDamage(error)) throw error;
      throw new EngineError(
        error.code,
        `The folder ${level.place.path.toString('utf8')} cannot be read: ${error.message}`,
        error,
      );
    }
  }

  #nodeAt({ bytes, at, end }: PlacedRow, { path }: Place): Node {
    return decodeRow(bytes.subarray(at, end), `a row of ${path.toString('utf8')}`);
  }

  #placeOf({ name }: Node, { path, inArchive, device }: Place): Place {
    const inner = joinPath(path, name);
    // Only hard links ask for it.
    const own = this.#options.hardLinks ? this.#devices.get(inner.toString('latin1')) : undefined;
    return { path: inner, inArchive: joinInArchive(inArchive, name), device: own ?? device };
  }

  *#taken(node: Node, place: Place): Generator<WalkedEntry> {
    if (this.#options.types.has(node.type)) yield this.#walked(node, place);
    else this.#options.onLeftOut(node, place.path);
  }

  #earlierName(node: Node, { inArchive, device }: Place): Buffer | undefined {
    if (!this.#options.hardLinks || node.links < 2 || node.type === 'dir') return undefined;
    const key = `${device} ${node.inode}`;
    const known = this.#links.get(key);
    if (known === undefined) {
      if (this.#links.size < EXPORT_LINK_GROUPS_MAX) this.#links.set(key, { path: inArchive, left: node.links - 1 });
      return undefined;
    }
    if (--known.left <= 0) this.#links.delete(key);
    return known.path;
  }

  #walked(node: Node, place: Place): WalkedEntry {
    const earlierName = this.#earlierName(node, place);
    const { users, groups } = this.#options.snapshot;
    const type = node.type === 'socket' ? 'file' : node.type;
    const entry: ArchiveEntry = {
      path: place.inArchive,
      type: earlierName === undefined ? type : 'hardlink',
      mode: node.mode & PERMISSIONS,
      uid: node.uid,
      gid: node.gid,
      user: users[String(node.uid)],
      group: groups[String(node.gid)],
      size: earlierName === undefined && node.type === 'file' ? node.size : 0,
      mtime: node.mtime,
      linkTarget: earlierName ?? node.linkTarget,
      device: node.device,
      attributes: earlierName === undefined ? node.attributes : [],
      regions: undefined,
    };
    return { entry, node, path: place.path };
  }
}

function treeOf({ content }: Node): BlobId | undefined {
  return content.kind === 'tree' ? content.treeId : undefined;
}

function joinInArchive(folder: Buffer, name: Buffer): Buffer {
  if (folder.length === 0) return name;
  const path = Buffer.allocUnsafe(folder.length + 1 + name.length);
  path.set(folder, 0);
  path[folder.length] = SLASH;
  path.set(name, folder.length + 1);
  return path;
}

/** The names on the way from a folder to a path below it; none where there is no such path. */
function namesBelow(folder: Buffer, path: Buffer | undefined): Buffer[] {
  if (path === undefined || !isWithin(path, folder)) return [];
  const names = path.toString('latin1', folder.length).split('/');
  return names.filter((name) => name !== '').map((name) => Buffer.from(name, 'latin1'));
}
