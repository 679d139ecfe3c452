/**
 * Some folders of a snapshot as one zip whose length is known before its first byte: nothing is compressed, so that trees
 * alone say how long it is, and the same request gives the same bytes. A range of it can be asked for; what lies in front of
 * the range is read for its checksums and not given out.
 */

import { EngineError, throwIfAborted } from '../../base/errors.ts';
import { ZIP_WHOLE_BYTES_MAX } from '../../base/limits.ts';
import type { NodeType } from '../../base/stat.ts';
import type { ArchiveEntry } from '../../format/archive-entry.ts';
import {
  encodeZipCentral,
  encodeZipDescriptor,
  encodeZipEnd,
  encodeZipLocal,
  ZIP_METHOD_STORED,
} from '../../format/archive-zip.ts';
import type { Node } from '../../format/row.ts';
import { readContent } from '../../repository/content-pieces.ts';
import type { Repository } from '../../repository/repository.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import { ArchiveWalk } from './walk.ts';
import { ZipStream } from './zip-stream.ts';

const TYPES: ReadonlySet<NodeType> = new Set(['file', 'dir', 'symlink']);
const FILE_MODE = 0o644;

export interface ZipPartsOptions {
  /** `latest`, `latest~N`, an id or a unique prefix. */
  readonly snapshot: string;
  /** Files that are made for the archive; they come first. */
  readonly files: readonly { readonly as: Buffer; readonly content: Buffer }[];
  /** A folder or file of the snapshot, and the name that it has in the archive: relative, no slash at its end. */
  readonly roots: readonly { readonly path: Buffer; readonly as: Buffer }[];
  readonly signal?: AbortSignal | undefined;
}

export interface ZipPartsPlan {
  readonly snapshot: Snapshot;
  readonly options: ZipPartsOptions;
  /** Of the whole archive. */
  readonly bytes: number;
  readonly entries: number;
}

/** One entry below a root, as it will stand in the archive. */
export interface ZipPart {
  /** Name in the archive. */
  readonly path: Buffer;
  readonly type: 'file' | 'dir' | 'symlink';
  /** Of a file; else zero. */
  readonly bytes: number;
}

interface Item {
  readonly entry: ArchiveEntry;
  readonly content: Node | Buffer;
}

/** What lies below the roots, in the archive's order, without the files that are made. PATH_NOT_FOUND, SNAPSHOT_NOT_FOUND. */
export async function* listZipParts(repository: Repository, options: ZipPartsOptions): AsyncGenerator<ZipPart> {
  const snapshot = await repository.snapshots.find(options.snapshot);
  await repository.loadIndex();
  for await (const { entry } of walkParts(repository, snapshot, { ...options, files: [] })) {
    const type = entry.type === 'dir' || entry.type === 'symlink' ? entry.type : 'file';
    yield { path: entry.path, type, bytes: entry.size };
  }
}

/** How long it will be. Reads trees and no content. PATH_NOT_FOUND, SNAPSHOT_NOT_FOUND, OBJECT_CORRUPT, INTERRUPTED. */
export async function planZipParts(repository: Repository, options: ZipPartsOptions): Promise<ZipPartsPlan> {
  const snapshot = await repository.snapshots.find(options.snapshot);
  await repository.loadIndex();
  let offset = 0;
  let directoryBytes = 0;
  let entries = 0;
  for await (const { entry } of walkParts(repository, snapshot, options)) {
    const bytes = entry.type === 'file' ? entry.size : (entry.linkTarget?.length ?? 0);
    const data = { method: ZIP_METHOD_STORED, crc32: 0, compressedBytes: bytes, bytes };
    const hasDescriptor = entry.type === 'file' && entry.size > ZIP_WHOLE_BYTES_MAX;
    directoryBytes += encodeZipCentral(entry, data, { offset, hasDescriptor }).length;
    const header = encodeZipLocal(entry, ZIP_METHOD_STORED, hasDescriptor ? undefined : data);
    offset += header.length + bytes + (hasDescriptor ? encodeZipDescriptor(entry, data).length : 0);
    entries++;
  }
  const end = encodeZipEnd({ entries, offset, bytes: directoryBytes });
  return { snapshot, options, bytes: offset + directoryBytes + end.length, entries };
}

/** Its bytes from `start` to before `end`; pieces are views, not to be changed. OBJECT_CORRUPT, OBJECT_MISSING, INTERRUPTED. */
export async function* readZipParts(
  repository: Repository,
  plan: ZipPartsPlan,
  range: { readonly start?: number; readonly end?: number; readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<Buffer> {
  const { start = 0, end = plan.bytes, signal } = range;
  const options = { ...plan.options, signal };
  const zip = new ZipStream<Item>({
    walk: () => walkParts(repository, plan.snapshot, options),
    content: ({ content }) => contentOf(repository, content, signal),
    deflates: 'never',
    onEntry: () => throwIfAborted(signal),
    onBytes: () => throwIfAborted(signal),
  });
  let at = 0;
  for await (const piece of zip.pieces()) {
    const [from, to] = [Math.max(0, start - at), Math.min(piece.length, end - at)];
    at += piece.length;
    if (to > from) yield piece.subarray(from, to);
    if (at >= end) break;
  }
  if (at < end) throw new EngineError('INTERNAL', `The zip ended after ${at} bytes of ${plan.bytes} that were planned`);
}

async function* contentOf(
  repository: Repository,
  content: Node | Buffer,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  if (Buffer.isBuffer(content)) yield content;
  else yield* readContent(repository.blobs, content, { signal });
}

async function* walkParts(
  repository: Repository,
  snapshot: Snapshot,
  { files, roots, signal }: ZipPartsOptions,
): AsyncGenerator<Item> {
  for (const { as, content } of files) yield { entry: madeEntry(as, content, snapshot), content };
  for (const { path, as } of roots) {
    const walk = new ArchiveWalk({
      repository,
      snapshot,
      path,
      as,
      types: TYPES,
      hardLinks: false,
      ownEntry: true,
      onLeftOut: () => undefined,
      signal,
    });
    for await (const { entry, node } of walk.entries()) yield { entry, content: node };
  }
}

function madeEntry(path: Buffer, content: Buffer, snapshot: Snapshot): ArchiveEntry {
  return {
    path,
    type: 'file',
    mode: FILE_MODE,
    uid: 0,
    gid: 0,
    user: undefined,
    group: undefined,
    size: content.length,
    mtime: { seconds: Math.floor(Date.parse(snapshot.time) / 1000), nanoseconds: 0 },
    linkTarget: undefined,
    device: undefined,
    attributes: [],
    regions: undefined,
  };
}
