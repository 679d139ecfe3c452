/**
 * A repository of very many files over very many nights, made without the files: rows are written straight into trees.
 * Enough for verbs that read trees alone (diff, find, log).
 */

import { BLOB_ID_BYTES, type BlobId } from '../../engine/base/ids.ts';
import { COMPRESSION_LEVEL_DEFAULT } from '../../engine/base/limits.ts';
import { S_IFDIR, S_IFREG, STAT_BYTES, type Time, writeStat } from '../../engine/base/stat.ts';
import { Compressor } from '../../engine/codec/compression.ts';
import { type Content, encodeRow } from '../../engine/format/row.ts';
import { BlobWriter, type StoredPack } from '../../engine/repository/blob-writer.ts';
import type { Repository } from '../../engine/repository/repository.ts';
import { TreeWriter } from '../../engine/repository/tree-writer.ts';
import { SeededRandom } from '../random.ts';
import { recordOf } from './records.ts';

const FILES_A_FOLDER = 200;
const FOLDERS_AN_AUTHOR = 10;
/** Of all files, those that lie in one folder. */
const INBOX_SHARE = 0.2;
const DAY_NS = 86_400_000_000_000n;

export interface NightsOptions {
  readonly files: number;
  readonly nights: number;
  readonly changesANight: number;
}

interface Folder {
  rows: Buffer[];
  treeId: BlobId;
}

/** Path of a file that changes every tenth night. */
export const FOLLOWED_PATH = Buffer.from('/library/author 00000/title 0/file 000000.mp3');
const FOLLOWED_EVERY = 10;

class Library {
  readonly #random = new SeededRandom(1);
  readonly #writer: TreeWriter;
  readonly #folders: Folder[] = [];
  #inbox: Folder;
  #night = 0;

  constructor(writer: TreeWriter, files: number) {
    this.#writer = writer;
    const inInbox = Math.round(files * INBOX_SHARE);
    for (let folder = 0; folder < (files - inInbox) / FILES_A_FOLDER; folder++) {
      const rows = Array.from({ length: FILES_A_FOLDER }, (_, index) => this.#row(index));
      this.#folders.push({ rows, treeId: writer.saveDirectory(rows) });
    }
    const rows = Array.from({ length: inInbox }, (_, index) => this.#row(index));
    this.#inbox = { rows, treeId: writer.saveDirectory(rows) };
  }

  #time(): Time {
    return { seconds: 1_700_000_000 + this.#night * 86_400, nanoseconds: this.#random.between(0, 1_000_000_000) };
  }

  #stat(mode: number, size: number): Buffer {
    const stat = Buffer.alloc(STAT_BYTES);
    const mtime = this.#time();
    const inode = BigInt(this.#random.between(0, 2 ** 31));
    writeStat(stat, 0, { mode, uid: 1000, gid: 1000, links: 1, inode, size, mtime, ctime: mtime });
    return stat;
  }

  #row(index: number): Buffer {
    const blobId = this.#random.bytes(BLOB_ID_BYTES) as BlobId;
    const name = Buffer.from(`file ${String(index).padStart(6, '0')}.mp3`);
    const stat = this.#stat(S_IFREG | 0o644, 1 + this.#random.between(0, 1_000_000));
    return encodeRow({ name, stat, content: { kind: 'single', blobId } });
  }

  #directoryRow(name: string, treeId: BlobId): Buffer {
    const content: Content = { kind: 'tree', treeId, filesBelow: FILES_A_FOLDER, bytesBelow: 1 };
    const stat = Buffer.alloc(STAT_BYTES);
    const mtime = { seconds: 1_600_000_000, nanoseconds: 0 };
    writeStat(stat, 0, { mode: S_IFDIR | 0o755, uid: 0, gid: 0, links: 2, inode: 1n, size: 0, mtime, ctime: mtime });
    return encodeRow({ name: Buffer.from(name), stat, content });
  }

  /** A night's work. In the last one, a fifth of it is in the folder that is so large. */
  change(count: number, isLast: boolean): void {
    this.#night++;
    const inInbox = isLast ? Math.round(count * INBOX_SHARE) : 0;
    for (let index = 0; index < inInbox; index++) {
      const at = this.#random.between(0, this.#inbox.rows.length);
      this.#inbox.rows[at] = this.#row(at);
    }
    if (inInbox > 0) this.#inbox.treeId = this.#writer.saveDirectory(this.#inbox.rows);
    for (let index = inInbox; index < count; index++) {
      const isFollowed = index === inInbox && this.#night % FOLLOWED_EVERY === 0;
      const folder = this.#folders[isFollowed ? 0 : this.#random.between(0, this.#folders.length)];
      if (folder === undefined) continue;
      const at = isFollowed ? 0 : 1 + this.#random.between(0, FILES_A_FOLDER - 1);
      folder.rows[at] = this.#row(at);
      folder.treeId = this.#writer.saveDirectory(folder.rows);
    }
  }

  saveRoot(): BlobId {
    const authors: Buffer[] = [];
    for (let first = 0; first < this.#folders.length; first += FOLDERS_AN_AUTHOR) {
      const titles = this.#folders
        .slice(first, first + FOLDERS_AN_AUTHOR)
        .map(({ treeId }, number) => this.#directoryRow(`title ${number}`, treeId));
      const name = `author ${String(first / FOLDERS_AN_AUTHOR).padStart(5, '0')}`;
      authors.push(this.#directoryRow(name, this.#writer.saveDirectory(titles)));
    }
    const library = this.#writer.saveDirectory([...authors, this.#directoryRow('inbox', this.#inbox.treeId)]);
    return this.#writer.saveDirectory([this.#directoryRow('library', library)]);
  }
}

/** Fills the repository with a snapshot for each night, each with a pack of its own, as backups leave them. */
export async function makeNightsOfTrees(repository: Repository, options: NightsOptions): Promise<void> {
  const known = new Set<string>();
  const packs: (StoredPack & { blobs: number })[] = [];
  const writer = new BlobWriter(repository, {
    kind: 'tree',
    compressor: new Compressor(COMPRESSION_LEVEL_DEFAULT),
    onStored: (pack) => void packs.push({ ...pack, blobs: 0 }),
  });
  const claim = (id: BlobId): boolean => {
    const key = id.toString('latin1');
    if (known.has(key)) return false;
    known.add(key);
    return true;
  };
  const trees = new TreeWriter({ keys: repository.keys, writer, claim });
  const library = new Library(trees, options.files);
  const startedNs = BigInt(Date.now()) * 1_000_000n - BigInt(options.nights) * DAY_NS;
  for (let night = 0; night <= options.nights; night++) {
    if (night > 0) library.change(options.changesANight, night === options.nights);
    const tree = library.saveRoot();
    await writer.flush();
    await repository.index.save(packs.splice(0));
    await repository.snapshots.save(recordOf(tree, startedNs + BigInt(night) * DAY_NS));
  }
}
