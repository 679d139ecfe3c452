/**
 * Rows: one entry of a directory, as bytes. A row is self-contained, so an unchanged one is copied from tree to tree
 * without being decoded. FORMAT.md shows the layout; the stat block is in base/stat.ts.
 */

import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { BLOB_ID_BYTES, type BlobId } from '../base/ids.ts';
import { CONTENT_LIST_ENTRIES_MAX, NAME_BYTES_MAX, TREE_LEVELS_MAX, XATTR_BYTES_MAX } from '../base/limits.ts';
import {
  type NodeType,
  nodeTypeOfMode,
  readCtime,
  readInode,
  readLinks,
  readMode,
  readMtime,
  readSize,
  S_IFMT,
  S_IFREG,
  STAT_BYTES,
  STAT_OFFSET,
  type Time,
} from '../base/stat.ts';

export const ROW_STAT_OFFSET = 4;
export const ROW_NAME_LENGTH_OFFSET = ROW_STAT_OFFSET + STAT_BYTES;
export const ROW_NAME_OFFSET = ROW_NAME_LENGTH_OFFSET + 2;

const CONTENT_MASK = 7;
const FLAG_CRC32 = 1 << 3;
const FLAG_ATTRIBUTES = 1 << 4;
const FLAG_LINK_TARGET = 1 << 5;
const FLAG_DEVICE = 1 << 6;
const FLAG_EXTENSIONS = 1 << 7;
const FLAG_UNSTABLE = 1 << 8;
const FLAGS_KNOWN = 0x1ff;

const CONTENT_NONE = 0;
const CONTENT_SINGLE = 1;
const CONTENT_LIST = 2;
const CONTENT_INDIRECT = 3;
const CONTENT_TREE = 4;

/** A piece of a file: a blob, or a hole where there is none. */
export interface ContentEntry {
  readonly length: number;
  readonly blobId: BlobId | undefined;
}

/** Where list blobs stand for the entries themselves. */
export interface ListEntry {
  /** Bytes of the file that the list covers. */
  readonly length: number;
  readonly listId: BlobId;
}

export type Content =
  | { readonly kind: 'none' }
  | { readonly kind: 'single'; readonly blobId: BlobId }
  | { readonly kind: 'list'; readonly entries: readonly ContentEntry[] }
  | { readonly kind: 'indirect'; readonly depth: number; readonly entries: readonly ListEntry[] }
  | { readonly kind: 'tree'; readonly treeId: BlobId; readonly filesBelow: number; readonly bytesBelow: number };

export const NO_CONTENT: Content = { kind: 'none' };

export interface Attribute {
  readonly name: Buffer;
  readonly value: Buffer;
}

export interface Extension {
  readonly tag: number;
  readonly payload: Buffer;
}
/** Extension of a captured database: what its live files looked like. */
export const EXTENSION_DATABASE = 1;

/** What a row is made from. `stat` is a block of STAT_BYTES; its flags are set here. */
export interface RowFields {
  readonly name: Buffer;
  readonly stat: Buffer;
  readonly content: Content;
  readonly crc32?: number | undefined;
  readonly attributes?: readonly Attribute[] | undefined;
  readonly linkTarget?: Buffer | undefined;
  readonly device?: { readonly major: number; readonly minor: number } | undefined;
  readonly extensions?: readonly Extension[] | undefined;
  readonly unstable?: boolean | undefined;
}

const CONTENT_CODES = {
  none: CONTENT_NONE,
  single: CONTENT_SINGLE,
  list: CONTENT_LIST,
  indirect: CONTENT_INDIRECT,
  tree: CONTENT_TREE,
} as const;

function flagsOf(fields: RowFields): number {
  let flags: number = CONTENT_CODES[fields.content.kind];
  if (fields.crc32 !== undefined) flags |= FLAG_CRC32;
  if (fields.attributes !== undefined && fields.attributes.length > 0) flags |= FLAG_ATTRIBUTES;
  if (fields.linkTarget !== undefined) flags |= FLAG_LINK_TARGET;
  if (fields.device !== undefined) flags |= FLAG_DEVICE;
  if (fields.extensions !== undefined && fields.extensions.length > 0) flags |= FLAG_EXTENSIONS;
  if (fields.unstable === true) flags |= FLAG_UNSTABLE;
  return flags;
}

/** Appends one row. */
export function writeRow(writer: ByteWriter, fields: RowFields): void {
  const start = writer.length;
  const flags = flagsOf(fields);
  writer.u32(0);
  writer.raw(fields.stat);
  writer.backing.writeUInt16LE(flags, start + ROW_STAT_OFFSET + STAT_OFFSET.flags);
  writer.u16(fields.name.length);
  writer.raw(fields.name);
  writeContent(writer, fields.content);
  if (fields.crc32 !== undefined) writer.u32(fields.crc32);
  if ((flags & FLAG_ATTRIBUTES) !== 0) {
    const attributes = fields.attributes ?? [];
    writer.varint(attributes.length);
    for (const attribute of attributes) {
      writer.counted(attribute.name);
      writer.counted(attribute.value);
    }
  }
  if (fields.linkTarget !== undefined) writer.counted(fields.linkTarget);
  if (fields.device !== undefined) {
    writer.varint(fields.device.major);
    writer.varint(fields.device.minor);
  }
  if ((flags & FLAG_EXTENSIONS) !== 0) {
    const extensions = fields.extensions ?? [];
    writer.varint(extensions.length);
    for (const extension of extensions) {
      writer.varint(extension.tag);
      writer.counted(extension.payload);
    }
  }
  writer.backing.writeUInt32LE(writer.length - start, start);
}

/** What a row says of its content, without the code of its kind. */
export function writeContent(writer: ByteWriter, content: Content): void {
  switch (content.kind) {
    case 'none':
      return;
    case 'single':
      writer.raw(content.blobId);
      return;
    case 'list':
      writeContentEntries(writer, content.entries);
      return;
    case 'indirect':
      writer.u8(content.depth);
      writeListEntries(writer, content.entries);
      return;
    case 'tree':
      writer.raw(content.treeId);
      writer.varint(content.filesBelow);
      writer.varint(content.bytesBelow);
  }
}

export function writeContentEntries(writer: ByteWriter, entries: readonly ContentEntry[]): void {
  writer.varint(entries.length);
  for (const entry of entries) {
    writer.varint(entry.length * 2 + (entry.blobId === undefined ? 1 : 0));
    if (entry.blobId !== undefined) writer.raw(entry.blobId);
  }
}

export function writeListEntries(writer: ByteWriter, entries: readonly ListEntry[]): void {
  writer.varint(entries.length);
  for (const entry of entries) {
    writer.varint(entry.length);
    writer.raw(entry.listId);
  }
}

export function encodeRow(fields: RowFields): Buffer {
  const writer = new ByteWriter(160);
  writeRow(writer, fields);
  return writer.finish();
}

/** A decoded row. Buffers are views into `row`, the row's own bytes. */
export interface Node {
  readonly row: Buffer;
  readonly name: Buffer;
  readonly type: NodeType;
  /** With type bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly links: number;
  readonly inode: bigint;
  readonly size: number;
  readonly mtime: Time;
  readonly ctime: Time;
  readonly content: Content;
  readonly crc32: number | undefined;
  readonly attributes: readonly Attribute[];
  readonly linkTarget: Buffer | undefined;
  readonly device: { readonly major: number; readonly minor: number } | undefined;
  readonly extensions: readonly Extension[];
  readonly unstable: boolean;
}

/** Decodes the row that is exactly `row`; OBJECT_CORRUPT naming `what` for anything else. */
export function decodeRow(row: Buffer, what: string): Node {
  const reader = new ByteReader(row, what);
  if (row.length < ROW_NAME_OFFSET || reader.u32() !== row.length) reader.fail('the length of a row');
  reader.raw(STAT_BYTES);
  const name = reader.raw(reader.u16());
  checkName(name, reader);
  const mode = readMode(row, ROW_STAT_OFFSET);
  const flags = row.readUInt16LE(ROW_STAT_OFFSET + STAT_OFFSET.flags);
  const type = nodeTypeOfMode(mode);
  if (type === undefined || (flags & ~FLAGS_KNOWN) !== 0) return reader.fail(`type ${mode} or flags ${flags}`);
  const size = readSize(row, ROW_STAT_OFFSET);
  const content = readContent(reader, flags & CONTENT_MASK);
  checkContent(reader, { type, content, size });
  const crc32 = (flags & FLAG_CRC32) === 0 ? undefined : reader.u32();
  const attributes = (flags & FLAG_ATTRIBUTES) === 0 ? [] : readAttributes(reader);
  const linkTarget = (flags & FLAG_LINK_TARGET) === 0 ? undefined : reader.counted(XATTR_BYTES_MAX);
  if ((linkTarget !== undefined) !== (type === 'symlink'))
    reader.fail('a link target, or none, where it does not belong');
  const device = (flags & FLAG_DEVICE) === 0 ? undefined : { major: reader.varint(), minor: reader.varint() };
  const extensions = (flags & FLAG_EXTENSIONS) === 0 ? [] : readExtensions(reader);
  reader.end();
  return {
    row,
    name,
    type,
    mode,
    uid: row.readUInt32LE(ROW_STAT_OFFSET + STAT_OFFSET.uid),
    gid: row.readUInt32LE(ROW_STAT_OFFSET + STAT_OFFSET.gid),
    links: readLinks(row, ROW_STAT_OFFSET),
    inode: readInode(row, ROW_STAT_OFFSET),
    size,
    mtime: readMtime(row, ROW_STAT_OFFSET),
    ctime: readCtime(row, ROW_STAT_OFFSET),
    content,
    crc32,
    attributes,
    linkTarget,
    device,
    extensions,
    unstable: (flags & FLAG_UNSTABLE) !== 0,
  };
}

/**
 * What the row at `at` refers to, without decoding the rest: a prune reads every row there is. OBJECT_CORRUPT for what
 * this version does not know, since it might refer to something.
 */
export function readRowContent(bytes: Buffer, at: number, what: string): Content {
  const flags = bytes.readUInt16LE(at + ROW_STAT_OFFSET + STAT_OFFSET.flags);
  const nameEnd = at + ROW_NAME_OFFSET + bytes.readUInt16LE(at + ROW_NAME_LENGTH_OFFSET);
  const kind = flags & CONTENT_MASK;
  if ((flags & ~FLAGS_KNOWN) === 0 && kind === CONTENT_NONE) return NO_CONTENT;
  const reader = new ByteReader(bytes, what, nameEnd);
  if ((flags & ~FLAGS_KNOWN) !== 0) reader.fail(`flags ${flags}`);
  return readContent(reader, kind);
}

/** A name that could lead out of its directory is never accepted from a repository (trap 11). */
function checkName(name: Buffer, reader: ByteReader): void {
  if (name.length === 0 || name.length > NAME_BYTES_MAX) reader.fail('the length of a name');
  if (name.includes(0) || name.includes(0x2f)) reader.fail('a name with a slash or a zero byte');
  if (name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e))) reader.fail('a name of dots');
}

function checkContent(
  reader: ByteReader,
  node: { readonly type: NodeType; readonly content: Content; readonly size: number },
): void {
  const { content } = node;
  if ((node.type === 'dir') !== (content.kind === 'tree'))
    reader.fail('a directory without a tree, or a tree elsewhere');
  if (node.type === 'dir') return;
  if (node.type !== 'file') {
    if (content.kind !== 'none') reader.fail(`content of a ${node.type}`);
    return;
  }
  if ((content.kind === 'none') !== (node.size === 0)) reader.fail('content that does not fit the size');
  if (content.kind !== 'list' && content.kind !== 'indirect') return;
  let total = 0;
  for (const entry of content.entries) total += entry.length;
  if (total !== node.size) reader.fail(`content of ${total} bytes in a file of ${node.size}`);
}

function readContent(reader: ByteReader, kind: number): Content {
  switch (kind) {
    case CONTENT_NONE:
      return NO_CONTENT;
    case CONTENT_SINGLE:
      return { kind: 'single', blobId: readBlobId(reader) };
    case CONTENT_LIST:
      return { kind: 'list', entries: readContentEntries(reader) };
    case CONTENT_INDIRECT: {
      const depth = reader.u8();
      if (depth > TREE_LEVELS_MAX) reader.fail(`lists ${depth} deep`);
      return { kind: 'indirect', depth, entries: readListEntries(reader) };
    }
    case CONTENT_TREE:
      return { kind: 'tree', treeId: readBlobId(reader), filesBelow: reader.varint(), bytesBelow: reader.varint() };
    default:
      return reader.fail(`content of kind ${kind}`);
  }
}

function readBlobId(reader: ByteReader): BlobId {
  return reader.raw(BLOB_ID_BYTES) as BlobId;
}

export function readContentEntries(reader: ByteReader): ContentEntry[] {
  const count = reader.varint();
  if (count > CONTENT_LIST_ENTRIES_MAX) reader.fail(`${count} entries`);
  const entries: ContentEntry[] = [];
  for (let index = 0; index < count; index++) {
    const coded = reader.varint();
    const hole = coded % 2 === 1;
    const length = (coded - (hole ? 1 : 0)) / 2;
    if (length === 0) reader.fail('an empty entry');
    entries.push({ length, blobId: hole ? undefined : readBlobId(reader) });
  }
  return entries;
}

export function readListEntries(reader: ByteReader): ListEntry[] {
  const count = reader.varint();
  if (count > CONTENT_LIST_ENTRIES_MAX) reader.fail(`${count} entries`);
  const entries: ListEntry[] = [];
  for (let index = 0; index < count; index++) entries.push({ length: reader.varint(), listId: readBlobId(reader) });
  return entries;
}

function readAttributes(reader: ByteReader): Attribute[] {
  const count = reader.varint();
  if (count > 65_536) reader.fail(`${count} attributes`);
  const attributes: Attribute[] = [];
  for (let index = 0; index < count; index++) {
    attributes.push({ name: reader.counted(NAME_BYTES_MAX), value: reader.counted(XATTR_BYTES_MAX) });
  }
  return attributes;
}

function readExtensions(reader: ByteReader): Extension[] {
  const count = reader.varint();
  if (count > 256) reader.fail(`${count} extensions`);
  const extensions: Extension[] = [];
  for (let index = 0; index < count; index++) {
    extensions.push({ tag: reader.varint(), payload: reader.counted(XATTR_BYTES_MAX) });
  }
  return extensions;
}

/** True where the row is marked as having changed while it was read. */
export function isUnstableRow(bytes: Buffer, at: number): boolean {
  return (bytes.readUInt16LE(at + ROW_STAT_OFFSET + STAT_OFFSET.flags) & FLAG_UNSTABLE) !== 0;
}

export function hasExtensions(bytes: Buffer, at: number): boolean {
  return (bytes.readUInt16LE(at + ROW_STAT_OFFSET + STAT_OFFSET.flags) & FLAG_EXTENSIONS) !== 0;
}

/** The name of the row at `at`, unchecked: a view. */
export function nameOfRowAt(bytes: Buffer, at: number): Buffer {
  const start = at + ROW_NAME_OFFSET;
  return bytes.subarray(start, start + bytes.readUInt16LE(at + ROW_NAME_LENGTH_OFFSET));
}

/**
 * Where the blob id stands, counted from the row's start, when the row at `at` is a regular file under one name whose
 * content is one blob; else -1. The rest of the row is not looked at: decodeRow comes before anything is made of it.
 */
export function singleBlobOffset(bytes: Buffer, at: number): number {
  if ((readMode(bytes, at + ROW_STAT_OFFSET) & S_IFMT) !== S_IFREG) return -1;
  if (readLinks(bytes, at + ROW_STAT_OFFSET) > 1) return -1;
  const flags = bytes.readUInt16LE(at + ROW_STAT_OFFSET + STAT_OFFSET.flags);
  if ((flags & CONTENT_MASK) !== CONTENT_SINGLE) return -1;
  const offset = ROW_NAME_OFFSET + bytes.readUInt16LE(at + ROW_NAME_LENGTH_OFFSET);
  return offset + BLOB_ID_BYTES <= rowLengthAt(bytes, at) ? offset : -1;
}

export function rowLengthAt(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at);
}

/** Order of the names of two rows, by bytes. */
export function compareRowNames(a: Buffer, aAt: number, b: Buffer, bAt: number): number {
  const aLength = a.readUInt16LE(aAt + ROW_NAME_LENGTH_OFFSET);
  const bLength = b.readUInt16LE(bAt + ROW_NAME_LENGTH_OFFSET);
  const aStart = aAt + ROW_NAME_OFFSET;
  const bStart = bAt + ROW_NAME_OFFSET;
  const shared = Math.min(aLength, bLength);
  // A call of Buffer.compare costs more than a name has bytes.
  for (let index = 0; index < shared; index++) {
    const difference = (a[aStart + index] ?? 0) - (b[bStart + index] ?? 0);
    if (difference !== 0) return difference;
  }
  return aLength - bLength;
}

/** Order of a row's name against a name. */
export function compareRowToName(row: Buffer, at: number, name: Buffer): number {
  const length = row.readUInt16LE(at + ROW_NAME_LENGTH_OFFSET);
  const start = at + ROW_NAME_OFFSET;
  const shared = Math.min(length, name.length);
  for (let index = 0; index < shared; index++) {
    const difference = (row[start + index] ?? 0) - (name[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return length - name.length;
}
