/**
 * A diff of a snapshot and the disk. By the rules of a backup: what has size, times and inode as the snapshot recorded
 * is unchanged, but for what was changed in the moment when it was taken, which is read. Files that only look changed
 * are read, too, where their size is the same.
 */

import type { BlobId } from '../../base/ids.ts';
import { baseName, isWithin, joinPath, parentPath } from '../../base/paths.ts';
import {
  compareTimes,
  nodeTypeOfMode,
  readSize,
  readStat,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  STAT_BYTES,
  STAT_OFFSET,
  type Time,
} from '../../base/stat.ts';
import { sideFileBase, sqliteSideFiles } from '../../databases/sqlite-names.ts';
import { indexOfName } from '../../filesystem/listing.ts';
import { type DirectoryHandle, FileSystemError, LISTING_EXTRA_WORDS, type Listing } from '../../filesystem/types.ts';
import {
  type Attribute,
  decodeRow,
  EXTENSION_DATABASE,
  type Node,
  ROW_STAT_OFFSET,
  rowLengthAt,
} from '../../format/row.ts';
import type { ChangeRules } from '../../repository/change-rules.ts';
import { DUMP_FOLDER_NAME } from '../../repository/dump-folder.ts';
import { isUnchangedDatabase, livePayload } from '../../repository/live-database.ts';
import type { LiveRules } from '../../repository/live-rules.ts';
import type { Repository } from '../../repository/repository.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import { type LoadTreePart, type MergedName, mergeTrees } from '../../repository/tree-merge.ts';
import type { Comparison, DirectoryPair, Entry, MoveKeys, Pair, Subject, Verdict } from './comparison.ts';
import type { LiveDisk } from './live-disk.ts';
import type { LiveOptions } from './options.ts';
import { isBefore, listTree, otherKey, trustedBefore } from './snapshot-comparison.ts';

export interface LiveEntry extends Entry {
  /** `major:minor` of the file system that it lies on. */
  readonly mount: string;
  /** Of a captured database. */
  readonly database: DatabaseState | undefined;
}

interface DatabaseState {
  /** None of its live files changed since. */
  readonly isSame: boolean;
  /** No log lies beside it. */
  readonly isAlone: boolean;
}

const SAME: Verdict = { same: true, bytesAdded: 0, bytesRemoved: 0 };
const NO_ATTRIBUTES: readonly Attribute[] = [];

/** A directory as it was listed. */
interface LiveDirectory {
  readonly path: Buffer;
  readonly mount: string | undefined;
  readonly handle: DirectoryHandle;
  readonly listing: Listing;
}

export class LiveComparison implements Comparison<LiveEntry> {
  readonly #tree: BlobId;
  readonly #sources: readonly Buffer[];
  readonly #disk: LiveDisk;
  readonly #rules: LiveRules;
  readonly #options: LiveOptions;
  readonly #trusted: Time;
  readonly #changeRules: ChangeRules;
  readonly #load: LoadTreePart;

  constructor(
    repository: Repository,
    before: Snapshot,
    parts: { readonly disk: LiveDisk; readonly rules: LiveRules; readonly options: LiveOptions },
  ) {
    this.#tree = before.tree;
    this.#sources = before.paths;
    this.#disk = parts.disk;
    this.#rules = parts.rules;
    this.#options = parts.options;
    this.#trusted = trustedBefore(before);
    const { ignoreInode, ignoreCtime } = parts.options;
    // A database that was at work when it was captured is as young as the snapshot, and looked at: that tells nothing.
    this.#changeRules = {
      ignoreInode: ignoreInode === true,
      ignoreCtime: ignoreCtime === true,
      trustedBefore: { seconds: Number.MAX_SAFE_INTEGER, nanoseconds: 0 },
    };
    this.#load = (treeId) => repository.blobs.loadTreePart(treeId);
  }

  /** False for what only leads to a source: nothing else there belongs to the snapshot. */
  #isInside(path: Buffer): boolean {
    return this.#sources.some((source) => isWithin(path, source));
  }

  async *pairs({ path, before, after }: DirectoryPair<LiveEntry>): AsyncGenerator<readonly Pair<LiveEntry>[]> {
    const treeId =
      before === undefined ? this.#tree : before.content.kind === 'tree' ? before.content.treeId : undefined;
    if (treeId === undefined) return;
    const all = await this.#rows(treeId);
    // Dumps lie on no disk.
    const rows = path.length === 1 ? all.filter(({ name }) => !name.equals(DUMP_FOLDER_NAME)) : all;
    const directory = this.#list(path, { mount: after?.mount, rows });
    if (directory === undefined) return;
    try {
      yield* this.#merge(directory, rows);
    } finally {
      this.#disk.fileSystem.close(directory.handle);
    }
  }

  async #rows(treeId: BlobId): Promise<readonly MergedName[]> {
    const rows: MergedName[] = [];
    for await (const batch of mergeTrees(this.#load, [treeId])) rows.push(...batch);
    return rows;
  }

  #list(
    path: Buffer,
    parts: { readonly mount: string | undefined; readonly rows: readonly MergedName[] },
  ): LiveDirectory | undefined {
    const leads = !this.#isInside(path);
    try {
      const handle = this.#disk.open(path, { follow: leads, access: leads ? 'search' : 'list' });
      try {
        const listing = leads
          ? this.#listNames(
              handle,
              parts.rows.map(({ name }) => name),
              true,
            )
          : this.#disk.fileSystem.list(handle);
        for (const { name, code } of listing.failed) {
          if (code !== 'ENOENT') this.#disk.report(joinPath(path, name), new FileSystemError(code, 'stat'));
        }
        return { path, mount: parts.mount, handle, listing };
      } catch (error) {
        this.#disk.fileSystem.close(handle);
        throw error;
      }
    } catch (error) {
      if (!(error instanceof FileSystemError)) throw error;
      this.#disk.report(path, error);
      return undefined;
    }
  }

  /** Just these names; a link to a directory is that directory, as it was when a person named it as a source. */
  #listNames(handle: DirectoryHandle, wanted: readonly Buffer[], follows: boolean): Listing {
    const stats = Buffer.alloc(wanted.length * STAT_BYTES);
    const extras = new Uint32Array(wanted.length * LISTING_EXTRA_WORDS);
    const names: Buffer[] = [];
    const failed: { name: Buffer; code: string }[] = [];
    const { fileSystem } = this.#disk;
    for (const name of wanted) {
      const block = stats.subarray(names.length * STAT_BYTES, (names.length + 1) * STAT_BYTES);
      const target = { block, extras: extras.subarray(names.length * LISTING_EXTRA_WORDS) };
      try {
        fileSystem.statAt(handle, name, target);
        if (follows && (block.readUInt16LE(0) & S_IFMT) === S_IFLNK) {
          try {
            const opened = fileSystem.openDirectoryAt(handle, Buffer.concat([name, Buffer.from('/.')]), 'search');
            fileSystem.statDirectory(opened, target);
            fileSystem.close(opened);
          } catch (error) {
            if (!(error instanceof FileSystemError)) throw error;
          }
        }
        names.push(name);
      } catch (error) {
        if (!(error instanceof FileSystemError)) throw error;
        failed.push({ name, code: error.code });
      }
    }
    return { names, stats, extras, failed };
  }

  async *#merge(directory: LiveDirectory, rows: readonly MergedName[]): AsyncGenerator<readonly Pair<LiveEntry>[]> {
    const { listing, path, handle } = directory;
    const { names } = listing;
    const marker = this.#isInside(path) ? this.#rules.markerIn(this.#disk.fileSystem, handle, names) : undefined;
    const failed = new Set(
      listing.failed.filter(({ code }) => code !== 'ENOENT').map(({ name }) => name.toString('latin1')),
    );
    let pairs: Pair<LiveEntry>[] = [];
    let row = 0;
    let index = 0;
    while (row < rows.length || index < names.length) {
      const [old, name] = [rows[row], names[index]];
      const order = old === undefined ? 1 : name === undefined ? -1 : old.name.compare(name);
      const stored = order <= 0 ? old : undefined;
      const at = order >= 0 ? index : undefined;
      if (order <= 0) row++;
      if (order >= 0) index++;
      const pair = this.#pair(directory, { stored, at, marker, rows });
      if (pair === undefined || (pair.after === undefined && failed.has(pair.name.toString('latin1')))) continue;
      pairs.push(pair);
      if (pairs.length < 256) continue;
      yield pairs;
      pairs = [];
    }
    await this.#disk.breathe();
    if (pairs.length > 0) yield pairs;
  }

  #pair(
    directory: LiveDirectory,
    parts: {
      readonly stored: MergedName | undefined;
      readonly at: number | undefined;
      readonly marker: Buffer | undefined;
      readonly rows: readonly MergedName[];
    },
  ): Pair<LiveEntry> | undefined {
    const { stored, at, marker } = parts;
    const { listing, path } = directory;
    const row = stored?.rows[0];
    if (row !== undefined && at !== undefined && this.#isIdentical(listing, at, row)) return undefined;
    const before = row === undefined ? undefined : decodeRow(rowBytes(row), 'a row');
    if (at === undefined) return before === undefined ? undefined : { name: before.name, before, after: undefined };
    const name = listing.names[at];
    if (name === undefined) return undefined;
    if (before === undefined) {
      if (!this.#isInside(path) || (marker !== undefined && !marker.equals(name))) return undefined;
      if (!this.#belongs(directory, at, parts.rows)) return undefined;
    }
    const after = this.#entry(directory, at, before);
    return after === undefined ? undefined : { name, before, after };
  }

  /** True where nothing of the entry differs and none of it has to be read. */
  #isIdentical(listing: Listing, index: number, row: { readonly bytes: Buffer; readonly at: number }): boolean {
    const { bytes } = row;
    const rowAt = row.at + ROW_STAT_OFFSET;
    const at = index * STAT_BYTES;
    const mode = listing.stats.readUInt16LE(at);
    if ((mode & S_IFMT) === S_IFDIR || this.#options.readData === true) return false;
    if (mode !== bytes.readUInt16LE(rowAt)) return false;
    const start = STAT_OFFSET.uid;
    if (listing.stats.compare(bytes, rowAt + start, rowAt + STAT_BYTES, at + start, at + STAT_BYTES) !== 0)
      return false;
    // Databases, and what was not at rest when it was read, are looked at more closely.
    if (bytes.readUInt16LE(rowAt + STAT_OFFSET.flags) >> 7 !== 0) return false;
    return isBefore(readStat(bytes, rowAt) as Entry, this.#trusted);
  }

  /** True for a new entry that a backup would take. */
  #belongs({ path, mount, listing }: LiveDirectory, index: number, rows: readonly MergedName[]): boolean {
    const name = listing.names[index];
    if (name === undefined) return false;
    const at = index * STAT_BYTES;
    const type = listing.stats.readUInt16LE(at) & S_IFMT;
    const own = mountOf(listing, index);
    const facts = { type, size: readSize(listing.stats, at), mount: own, mountAbove: mount ?? own };
    if (!this.#rules.wants(joinPath(path, name), facts)) return false;
    return !isSideFile(name, rows);
  }

  #entry(directory: LiveDirectory, index: number, before: Node | undefined): LiveEntry | undefined {
    const { listing, path, handle } = directory;
    const name = listing.names[index];
    const stat = readStat(listing.stats, index * STAT_BYTES);
    const type = nodeTypeOfMode(stat.mode);
    if (name === undefined || type === undefined) return undefined;
    let linkTarget: Buffer | undefined;
    try {
      if (type === 'symlink') linkTarget = this.#disk.fileSystem.readLinkAt(handle, name);
    } catch (error) {
      if (!(error instanceof FileSystemError)) throw error;
      this.#disk.report(joinPath(path, name), error);
      return undefined;
    }
    const at = index * LISTING_EXTRA_WORDS;
    const isDevice = type === 'dev' || type === 'chardev';
    const device = isDevice ? { major: listing.extras[at + 2] ?? 0, minor: listing.extras[at + 3] ?? 0 } : undefined;
    const rules = this.#changeRules;
    const database = before === undefined ? undefined : databaseState(before, listing, { index, rules });
    return { ...stat, name, type, linkTarget, device, mount: mountOf(listing, index), database };
  }

  /** The path that was asked for, as it is now. */
  findSubject(path: Buffer, before: Node | undefined): Subject<LiveEntry> {
    if (path.length === 1) return { kind: 'root' };
    try {
      const directory = this.#disk.open(parentPath(path), { follow: true, access: 'search' });
      try {
        // With the side files that a database may have.
        const { wal, journal } = sqliteSideFiles(baseName(path));
        const listing = this.#listNames(directory, [baseName(path), journal, wal], !this.#isInside(path));
        if (listing.names[0]?.equals(baseName(path)) !== true) return { kind: 'none' };
        const entry = this.#entry({ path: parentPath(path), mount: undefined, handle: directory, listing }, 0, before);
        return entry === undefined ? { kind: 'none' } : { kind: 'entry', entry };
      } finally {
        this.#disk.fileSystem.close(directory);
      }
    } catch (error) {
      if (!(error instanceof FileSystemError)) throw error;
      if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') this.#disk.report(path, error);
      return { kind: 'none' };
    }
  }

  // ---- what the walk asks

  listBefore(_path: Buffer, before: Node): AsyncGenerator<readonly Node[]> {
    return before.content.kind === 'tree'
      ? listTree(this.#load, before.content.treeId, () => this.#disk.breathe())
      : nothing();
  }

  async *listAfter(path: Buffer, after: LiveEntry): AsyncGenerator<readonly LiveEntry[]> {
    const directory = this.#list(path, { mount: after.mount, rows: [] });
    if (directory === undefined) return;
    try {
      for await (const pairs of this.#merge(directory, [])) {
        yield pairs.map((pair) => pair.after).filter((entry) => entry !== undefined);
      }
    } finally {
      this.#disk.fileSystem.close(directory.handle);
    }
  }

  isSameTree(): boolean {
    return false;
  }

  async compareContent(path: Buffer, before: Node, after: LiveEntry): Promise<Verdict | undefined> {
    const { database } = after;
    if (database?.isSame === true) return SAME;
    // Without a log the file is the database; it may have been restored, or touched.
    if (database !== undefined && !(database.isAlone && before.size === after.size)) {
      return { same: false, bytesAdded: after.size, bytesRemoved: before.size };
    }
    const { readData, ignoreInode, ignoreCtime } = this.#options;
    if (readData !== true && database === undefined) {
      if (before.size !== after.size) return { same: false, bytesAdded: after.size, bytesRemoved: before.size };
      const untouched =
        compareTimes(before.mtime, after.mtime) === 0 &&
        (ignoreCtime === true || compareTimes(before.ctime, after.ctime) === 0) &&
        (ignoreInode === true || before.inode === after.inode);
      if (untouched && !before.unstable && isBefore(before, this.#trusted)) return SAME;
    }
    await this.#disk.breathe();
    const verdict = await this.#disk.comparePieces(path, before, after.size);
    this.#options.onRead?.(path, after.size);
    return verdict;
  }

  attributesAfter(path: Buffer, before: Node, after: LiveEntry): readonly Attribute[] {
    // Whoever changes an attribute moves the change time.
    if (compareTimes(before.ctime, after.ctime) === 0 || !this.#isInside(path)) return before.attributes;
    return this.#disk.attributes(path) ?? NO_ATTRIBUTES;
  }

  isTrusted(before: Node): boolean {
    return isBefore(before, this.#trusted);
  }

  keysBefore(node: Node): MoveKeys {
    return this.keysAfter(node);
  }

  /** A rename keeps inode and modification time, and no two files share both. */
  keysAfter(entry: Entry): MoveKeys {
    const { type, inode, mtime } = entry;
    if (type === 'dir') return [`${inode}`];
    return type === 'file' ? [`${inode}/${mtime.seconds}.${mtime.nanoseconds}`] : [otherKey(entry)];
  }

  contentName(): undefined {
    return undefined;
  }
}

async function* nothing(): AsyncGenerator<readonly Node[]> {
  // A file holds no entries.
}

function rowBytes({ bytes, at }: { readonly bytes: Buffer; readonly at: number }): Buffer {
  return bytes.subarray(at, at + rowLengthAt(bytes, at));
}

function mountOf(listing: Listing, index: number): string {
  const at = index * LISTING_EXTRA_WORDS;
  return `${listing.extras[at] ?? 0}:${listing.extras[at + 1] ?? 0}`;
}

/** True for a file beside a database that the snapshot captured: what it holds is in the image. */
function isSideFile(name: Buffer, rows: readonly MergedName[]): boolean {
  const base = sideFileBase(name);
  if (base === undefined) return false;
  const row = rows.find((one) => one.name.equals(base))?.rows[0];
  return (
    row !== undefined && decodeRow(rowBytes(row), 'a row').extensions.some(({ tag }) => tag === EXTENSION_DATABASE)
  );
}

/** Of a captured database: whether its files are what the capture saw (backup's rule), and whether all of it is in one. */
function databaseState(
  before: Node,
  listing: Listing,
  found: { readonly index: number; readonly rules: ChangeRules },
): DatabaseState | undefined {
  const name = listing.names[found.index];
  if (livePayload(before) === undefined || name === undefined) return undefined;
  const { wal, journal } = sqliteSideFiles(name);
  return {
    isSame: isUnchangedDatabase(before, listing, found.index, found.rules),
    isAlone: [wal, journal].every((side) => indexOfName(listing.names, side) === undefined),
  };
}
