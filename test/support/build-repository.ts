/** Builds repositories by hand, entry by entry, so that tests can store what no file system would show. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BLOB_ID_BYTES, type BlobId } from '../../engine/base/ids.ts';
import { COMPRESSION_LEVEL_DEFAULT, KIB } from '../../engine/base/limits.ts';
import {
  type NodeType,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
  S_IFSOCK,
  STAT_BYTES,
  type Time,
  writeStat,
} from '../../engine/base/stat.ts';
import { Compressor } from '../../engine/codec/compression.ts';
import { type Attribute, type Content, type ContentEntry, type Extension, encodeRow } from '../../engine/format/row.ts';
import { BlobWriter, type StoredPack } from '../../engine/repository/blob-writer.ts';
import { Repository } from '../../engine/repository/repository.ts';
import type { Snapshot } from '../../engine/repository/snapshots.ts';
import { TreeWriter } from '../../engine/repository/tree-writer.ts';
import type { Backend } from '../../engine/storage/backend.ts';
import { createLocation } from '../../engine/storage/open.ts';

export interface EntryFields {
  /** Permission bits. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: Time;
  readonly ctime?: Time;
  readonly links?: number;
  readonly inode?: bigint;
  readonly attributes?: readonly Attribute[];
  readonly extensions?: readonly Extension[];
}

export interface EntrySpec extends EntryFields {
  readonly type: NodeType;
  /** Of a file: bytes, and holes by their length. */
  readonly parts?: readonly (Buffer | number)[];
  /** Of a file: length of its blobs. */
  readonly chunkBytes?: number;
  readonly linkTarget?: Buffer;
  readonly device?: { readonly major: number; readonly minor: number };
  readonly entries?: readonly NamedEntry[];
}

export type NamedEntry = readonly [name: string | Buffer, spec: EntrySpec];

export function file(
  content: string | Buffer | readonly (Buffer | number)[],
  fields: EntryFields & { chunkBytes?: number } = {},
): EntrySpec {
  const parts = typeof content === 'string' || Buffer.isBuffer(content) ? [Buffer.from(content as string)] : content;
  return { ...fields, type: 'file', parts };
}

export function dir(entries: readonly NamedEntry[], fields: EntryFields = {}): EntrySpec {
  return { ...fields, type: 'dir', entries };
}

export function symlink(target: string | Buffer, fields: EntryFields = {}): EntrySpec {
  return { ...fields, type: 'symlink', linkTarget: Buffer.from(target as string) };
}

const TYPE_BITS: { readonly [type in NodeType]: number } = {
  file: S_IFREG,
  dir: S_IFDIR,
  symlink: S_IFLNK,
  fifo: S_IFIFO,
  socket: S_IFSOCK,
  chardev: S_IFCHR,
  dev: S_IFBLK,
};

export const TEST_MTIME: Time = { seconds: 1_600_000_000, nanoseconds: 123_456_789 };

export interface SnapshotOptions {
  /** Nanoseconds since 1970; now by default. */
  readonly startedNs?: bigint;
  readonly paths?: readonly Buffer[];
  readonly mounts?: readonly { readonly path: Buffer; readonly device: string }[];
}

/** Stores entries as a snapshot whose root holds them. */
export class SnapshotBuilder {
  readonly #repository: Repository;
  readonly #packs: (StoredPack & { blobs: number })[] = [];
  readonly #data: BlobWriter;
  readonly #trees: BlobWriter;
  readonly #treeWriter: TreeWriter;
  readonly #known = new Set<string>();
  #nextInode = 1_000_000_000n;

  constructor(repository: Repository) {
    this.#repository = repository;
    const compressor = new Compressor(COMPRESSION_LEVEL_DEFAULT);
    const onStored = (pack: StoredPack): void => void this.#packs.push({ ...pack, blobs: 0 });
    this.#data = new BlobWriter(repository, { kind: 'data', compressor, onStored });
    this.#trees = new BlobWriter(repository, { kind: 'tree', compressor, onStored });
    const claim = (id: BlobId): boolean => this.#claim(id);
    this.#treeWriter = new TreeWriter({ keys: repository.keys, writer: this.#trees, claim });
  }

  #claim(id: BlobId): boolean {
    const key = id.toString('hex');
    if (this.#known.has(key) || this.#repository.index.find(id) !== undefined) return false;
    this.#known.add(key);
    return true;
  }

  #blob(bytes: Buffer): BlobId {
    const id = this.#repository.keys.hashers.data.digest(bytes, BLOB_ID_BYTES) as BlobId;
    if (this.#claim(id)) this.#data.add(id, bytes);
    return id;
  }

  #content(spec: EntrySpec): { content: Content; size: number } {
    const entries: ContentEntry[] = [];
    const chunkBytes = spec.chunkBytes ?? 16 * KIB;
    let size = 0;
    for (const part of spec.parts ?? []) {
      if (typeof part === 'number') {
        entries.push({ length: part, blobId: undefined });
        size += part;
        continue;
      }
      for (let at = 0; at < part.length; at += chunkBytes) {
        const bytes = part.subarray(at, at + chunkBytes);
        entries.push({ length: bytes.length, blobId: this.#blob(bytes) });
        size += bytes.length;
      }
    }
    return { content: this.#treeWriter.saveContent(entries, size), size };
  }

  #row(name: Buffer, spec: EntrySpec): { row: Buffer; files: number; bytes: number } {
    let content: Content = { kind: 'none' };
    let size = 0;
    let below = { files: 1, bytes: 0 };
    if (spec.type === 'file') {
      ({ content, size } = this.#content(spec));
      below = { files: 1, bytes: size };
    } else if (spec.type === 'dir') {
      const saved = this.#directory(spec.entries ?? []);
      content = { kind: 'tree', treeId: saved.treeId, filesBelow: saved.files, bytesBelow: saved.bytes };
      below = saved;
    } else if (spec.type === 'symlink') size = spec.linkTarget?.length ?? 0;
    const stat = Buffer.alloc(STAT_BYTES);
    writeStat(stat, 0, {
      mode:
        TYPE_BITS[spec.type] | (spec.mode ?? (spec.type === 'dir' ? 0o755 : spec.type === 'symlink' ? 0o777 : 0o644)),
      uid: spec.uid ?? process.geteuid?.() ?? 0,
      gid: spec.gid ?? process.getegid?.() ?? 0,
      links: spec.links ?? 1,
      inode: spec.inode ?? this.#nextInode++,
      size,
      mtime: spec.mtime ?? TEST_MTIME,
      ctime: spec.ctime ?? TEST_MTIME,
    });
    const row = encodeRow({
      name,
      stat,
      content,
      attributes: spec.attributes,
      linkTarget: spec.linkTarget,
      device: spec.device,
      extensions: spec.extensions,
    });
    return { row, ...below };
  }

  #directory(entries: readonly NamedEntry[]): { treeId: BlobId; files: number; bytes: number } {
    const named = entries.map(([name, spec]) => ({ name: Buffer.from(name as string), spec }));
    named.sort((a, b) => a.name.compare(b.name));
    const rows = named.map(({ name, spec }) => this.#row(name, spec));
    return {
      treeId: this.#treeWriter.saveDirectory(rows.map(({ row }) => row)),
      files: rows.reduce((sum, { files }) => sum + files, 0),
      bytes: rows.reduce((sum, { bytes }) => sum + bytes, 0),
    };
  }

  async save(entries: readonly NamedEntry[], options: SnapshotOptions = {}): Promise<Snapshot> {
    const { treeId } = this.#directory(entries);
    await this.#data.flush();
    await this.#trees.flush();
    await this.#repository.index.save(this.#packs);
    const now = new Date();
    return this.#repository.snapshots.save({
      time: now.toISOString(),
      startedNs: options.startedNs ?? BigInt(now.getTime()) * 1_000_000n,
      host: 'test',
      user: 'test',
      label: '',
      tags: [],
      paths: options.paths ?? [],
      parent: undefined,
      tree: treeId,
      mounts: options.mounts ?? [{ path: Buffer.from('/'), device: '1' }],
      users: {},
      groups: {},
      rules: {},
      leftOut: { count: 0, content: [] },
      problems: [],
      problemCount: 0,
      databases: [],
      summary: {
        filesNew: 0,
        filesChanged: 0,
        filesUnmodified: 0,
        filesDeleted: 0,
        filesMoved: 0,
        dirsNew: 0,
        dirsChanged: 0,
        dirsUnmodified: 0,
        totalFilesProcessed: 0,
        totalBytesProcessed: 0,
        dataAdded: 0,
        dataAddedPacked: 0,
        backupStart: now.toISOString(),
        backupEnd: now.toISOString(),
        totalDuration: 0,
      },
      program: 'test',
    });
  }
}

/** A folder for one test; gone when it ends. */
export function testFolder(t: { after(act: () => void): void }, parent: string = tmpdir()): string {
  const folder = mkdtempSync(join(parent, 'snap-test-'));
  // Node's own removal cannot reach below PATH_MAX.
  t.after(() => execFileSync('rm', ['-rf', folder]));
  return folder;
}

export interface TestRepositoryOptions {
  readonly folder: string;
  /** Default: a folder in `folder`. */
  readonly backend?: Backend;
}

export async function testRepository(options: TestRepositoryOptions): Promise<Repository> {
  const { folder } = options;
  const backend = options.backend ?? (await createLocation(join(folder, 'repository')));
  return Repository.init({ backend, credential: { type: 'none' }, cacheDirectory: join(folder, 'cache') });
}

/** The same repository as another process would see it: nothing is remembered. */
export async function reopened(repository: Repository): Promise<Repository> {
  const { backend, cacheDirectory } = repository;
  return Repository.open({ backend, credential: { type: 'none' }, cacheDirectory });
}
