/** Stores the entries of an archive one after the other: content in the repository, rows for the trees to come. */

import { EngineError, type Problem } from '../../base/errors.ts';
import type { BlobId } from '../../base/ids.ts';
import { BLOB_ID_BYTES } from '../../base/ids.ts';
import { IMPORT_FILE_BYTES_MAX, NAME_BYTES_MAX, SNAPSHOT_PROBLEMS_MAX, XATTR_BYTES_MAX } from '../../base/limits.ts';
import type { Monitor } from '../../base/monitor.ts';
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
  STAT_BYTES,
  STAT_OFFSET,
  writeStat,
} from '../../base/stat.ts';
import type { ArchiveEntry, ArchiveEntryType } from '../../format/archive-entry.ts';
import { type Attribute, type Content, decodeRow, encodeRow, NO_CONTENT, ROW_STAT_OFFSET } from '../../format/row.ts';
import type { ScratchRows } from '../../repository/scratch-rows.ts';
import { StreamCutter } from '../../repository/stream-cutter.ts';
import type { WriteSession } from '../../repository/write-session.ts';
import type { ArchiveItem, ReadItem } from './archive-item.ts';
import { entryPlace, keyOf } from './entry-path.ts';

const TYPE_BITS: { readonly [type in Exclude<ArchiveEntryType, 'hardlink'>]: number } = {
  file: S_IFREG,
  dir: S_IFDIR,
  symlink: S_IFLNK,
  fifo: S_IFIFO,
  chardev: S_IFCHR,
  dev: S_IFBLK,
};
const U32_MAX = 0xffff_ffff;

/** Stands in a directory's row until its tree is saved. */
const TREE_TO_COME: Content = {
  kind: 'tree',
  treeId: Buffer.alloc(BLOB_ID_BYTES) as BlobId,
  filesBelow: 0,
  bytesBelow: 0,
};

export interface EntryStoreOptions {
  readonly session: WriteSession;
  readonly rows: ScratchRows;
  /** Names of the folder below which everything is put. */
  readonly prefix: readonly Buffer[];
  readonly monitor: Monitor | undefined;
}

export class EntryStore {
  readonly #options: EntryStoreOptions;
  readonly #cutter: StreamCutter;
  readonly problems: Problem[] = [];
  problemCount = 0;
  duplicates = 0;
  /** Entries taken so far, and bytes of their files. */
  entries = 0;
  bytes = 0;
  readonly users = new Map<number, string>();
  readonly groups = new Map<number, string>();
  /** Inodes that were given to files with several names. */
  inodes = 0n;
  #absolute = false;

  constructor(options: EntryStoreOptions) {
    this.#options = options;
    const { session } = options;
    this.#cutter = new StreamCutter({
      gearTable: session.repository.keys.gearTable(),
      save: (bytes) => session.saveData(bytes),
      settle: () => session.settle(),
      checksums: true,
    });
  }

  problem(path: Buffer, code: string, why: string): void {
    const text = path.toString('utf8');
    const isText = Buffer.from(text, 'utf8').equals(path);
    const problem: Problem = {
      path: text,
      during: 'import',
      code,
      message: `${text} was not imported: ${why}`,
      ...(isText ? {} : { pathBase64: path.toString('base64') }),
    };
    this.problemCount++;
    if (this.problems.length < SNAPSHOT_PROBLEMS_MAX) this.problems.push(problem);
    this.#options.monitor?.problem?.(problem);
  }

  async add(item: ReadItem): Promise<void> {
    if ('why' in item) {
      this.problem(item.path, item.code, item.why);
      return;
    }
    const { entry } = item;
    const place = entryPlace(entry.path);
    if ('refused' in place) {
      this.problem(entry.path, 'PATH_REFUSED', place.refused);
      return;
    }
    if (place.wasAbsolute && !this.#absolute) {
      this.#absolute = true;
      this.#options.monitor?.note?.('Absolute names in the archive count as names below the folder of the import');
    }
    const names = [...this.#options.prefix, ...place.names];
    // The root of the archive has a row only where it is put below something.
    if (names.length === 0) return;
    const why = refusal(entry);
    if (why !== undefined) {
      this.problem(entry.path, 'ENTRY_REFUSED', why);
      return;
    }
    const key = keyOf(names);
    const name = names.at(-1) ?? Buffer.alloc(0);
    const row = entry.type === 'hardlink' ? await this.#linked(entry, name) : await this.#row(item, name);
    if (row === undefined) return;
    if (this.#options.rows.get(key) !== undefined) this.duplicates++;
    await this.#options.rows.put(key, row);
    this.entries++;
    if (entry.user !== undefined) this.users.set(entry.uid, entry.user);
    if (entry.group !== undefined) this.groups.set(entry.gid, entry.group);
  }

  async #row(item: ArchiveItem, name: Buffer): Promise<Buffer | undefined> {
    const { entry } = item;
    if (entry.type === 'hardlink') return undefined;
    const stat = Buffer.alloc(STAT_BYTES);
    const { uid, gid, mtime } = entry;
    const isFile = entry.type === 'file';
    const size = isFile ? entry.size : (entry.linkTarget?.length ?? 0);
    const mode = TYPE_BITS[entry.type] | entry.mode;
    writeStat(stat, 0, { mode, uid, gid, links: 1, inode: 0n, size, mtime, ctime: mtime });
    const content = isFile ? await this.#content(item, name) : undefined;
    return encodeRow({
      name,
      stat,
      content: content?.content ?? (entry.type === 'dir' ? TREE_TO_COME : NO_CONTENT),
      crc32: content?.crc32,
      attributes: sortedAttributes(entry.attributes),
      linkTarget: entry.type === 'symlink' ? (entry.linkTarget ?? Buffer.alloc(0)) : undefined,
      device: entry.device,
      extensions: item.extensions,
    });
  }

  async #content(item: ArchiveItem, name: Buffer): Promise<{ content: Content; crc32: number | undefined }> {
    const { entry } = item;
    this.#cutter.begin(name, entry.size);
    const pieces = item.content();
    if (entry.regions === undefined) {
      for await (const piece of pieces) await this.#take(piece);
    } else await this.#takeRegions(entry, pieces);
    const { entries, size, crc32 } = await this.#cutter.finish();
    if (size !== entry.size) {
      const text = entry.path.toString('utf8');
      throw new EngineError(
        'ARCHIVE_INVALID',
        `${text} has ${size} bytes instead of the ${entry.size} that the archive names`,
      );
    }
    return { content: this.#options.session.trees.saveContent(entries, size), crc32 };
  }

  async #take(piece: Buffer): Promise<void> {
    this.bytes += piece.length;
    await this.#cutter.add(piece);
  }

  async #takeRegions(entry: ArchiveEntry, pieces: AsyncIterable<Buffer>): Promise<void> {
    const regions = [...(entry.regions ?? [])].reverse();
    let at = 0;
    let region = regions.pop();
    for await (const whole of pieces) {
      let piece = whole;
      while (piece.length > 0 && region !== undefined) {
        const { offset, length } = region;
        if (at < offset) await this.#cutter.hole(offset - at);
        at = Math.max(at, offset);
        const taken = piece.subarray(0, offset + length - at);
        await this.#take(taken);
        at += taken.length;
        piece = piece.subarray(taken.length);
        if (at === offset + length) region = regions.pop();
      }
    }
    await this.#cutter.hole(entry.size - at);
  }

  /** The row of a further name of an earlier entry. */
  async #linked(entry: ArchiveEntry, name: Buffer): Promise<Buffer | undefined> {
    const place = entryPlace(entry.linkTarget ?? Buffer.alloc(0));
    const names = 'names' in place ? [...this.#options.prefix, ...place.names] : [];
    const key = keyOf(names);
    const row = names.length === 0 ? undefined : this.#options.rows.get(key);
    const target = row === undefined ? undefined : decodeRow(row, 'an imported row');
    if (target === undefined || target.type === 'dir') {
      this.problem(entry.path, 'LINK_REFUSED', 'the archive holds no file before it that this hard link names');
      return undefined;
    }
    const stat = Buffer.from(target.row.subarray(ROW_STAT_OFFSET, ROW_STAT_OFFSET + STAT_BYTES));
    if (target.inode === 0n) {
      this.inodes++;
      stat.writeBigUInt64LE(this.inodes, STAT_OFFSET.inode);
      await this.#options.rows.put(key, encodeRow({ ...target, stat }));
    }
    return encodeRow({ ...target, name, stat });
  }
}

/** Why an entry cannot be a row. */
function refusal(entry: ArchiveEntry): string | undefined {
  const { uid, gid, mtime, attributes, linkTarget, device } = entry;
  if (![uid, gid].every((id) => id >= 0 && id <= U32_MAX)) return 'its owner is no number of 32 bits';
  if (!Number.isSafeInteger(mtime.seconds)) return 'its time is beyond every bound';
  if (entry.size > IMPORT_FILE_BYTES_MAX) return `it claims ${entry.size} bytes, more than any file system holds`;
  if (entry.type === 'symlink') {
    if (linkTarget === undefined || linkTarget.length === 0) return 'a link without a target';
    if (linkTarget.includes(0) || linkTarget.length > XATTR_BYTES_MAX) return 'the target of a link is none';
  }
  if (
    (entry.type === 'chardev' || entry.type === 'dev') &&
    !(device !== undefined && device.major >= 0 && device.minor >= 0)
  ) {
    return 'a device without a number';
  }
  let bytes = 0;
  for (const { name, value } of attributes) {
    if (name.includes(0) || name.length > NAME_BYTES_MAX) return 'the name of an attribute is none';
    bytes += name.length + value.length;
  }
  return bytes > XATTR_BYTES_MAX ? `its attributes have ${bytes} bytes` : undefined;
}

function sortedAttributes(attributes: readonly Attribute[]): Attribute[] {
  return [...attributes].sort((a, b) => a.name.compare(b.name));
}
