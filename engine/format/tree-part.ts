/**
 * Tree blobs: leaves of rows, branches over leaves, and content lists; and the rule that says where a part ends. The
 * rule looks at names (or ids) alone, so the same directory gives the same parts however it came about.
 */

import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { BLOB_ID_BYTES, type BlobId } from '../base/ids.ts';
import {
  CONTENT_LIST_ENTRIES_AVERAGE,
  CONTENT_LIST_ENTRIES_MAX,
  CONTENT_LIST_ENTRIES_MIN,
  CONTENT_ROWS_ENTRIES_AVERAGE,
  CONTENT_ROWS_ENTRIES_MAX,
  CONTENT_ROWS_ENTRIES_MIN,
  NAME_BYTES_MAX,
  TREE_LEVELS_MAX,
  TREE_PART_BYTES_MAX,
  TREE_PART_BYTES_MIN,
  TREE_PART_ROWS_AVERAGE,
} from '../base/limits.ts';
import {
  type ContentEntry,
  compareRowNames,
  type ListEntry,
  ROW_NAME_LENGTH_OFFSET,
  ROW_NAME_OFFSET,
  readContentEntries,
  readListEntries,
  rowLengthAt,
  writeContentEntries,
  writeListEntries,
} from './row.ts';

const PART_LEAF = 1;
const PART_BRANCH = 2;
const PART_LIST = 3;
const PART_VERSION = 1;

/** The number that decides whether a part ends behind a name: FNV-1a with murmur3's final mix, started from a seed. */
export function nameHash(bytes: Buffer, start: number, end: number, seed: number): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** True where a part of `bytes` so far ends behind the row whose name lies at start..end. */
export function endsPart(
  partBytes: number,
  name: { bytes: Buffer; start: number; end: number },
  seed: number,
): boolean {
  if (partBytes < TREE_PART_BYTES_MIN) return false;
  if (partBytes >= TREE_PART_BYTES_MAX) return true;
  return nameHash(name.bytes, name.start, name.end, seed) % TREE_PART_ROWS_AVERAGE === 0;
}

export function encodeLeaf(rowCount: number, rows: readonly Buffer[]): Buffer {
  const head = new ByteWriter(16);
  head.u8(PART_LEAF);
  head.u8(PART_VERSION);
  head.varint(rowCount);
  return Buffer.concat([head.finish(), ...rows]);
}

export interface BranchEntry {
  /** The first name of all below. */
  readonly name: Buffer;
  readonly treeId: BlobId;
  /** Rows in the leaves below. */
  readonly rows: number;
}

export function encodeBranch(level: number, entries: readonly BranchEntry[]): Buffer {
  const writer = new ByteWriter(4096);
  writer.u8(PART_BRANCH);
  writer.u8(PART_VERSION);
  writer.u8(level);
  writer.varint(entries.length);
  for (const entry of entries) {
    writer.u16(entry.name.length);
    writer.raw(entry.name);
    writer.raw(entry.treeId);
    writer.varint(entry.rows);
  }
  return writer.finish();
}

export type TreePart =
  | { readonly kind: 'leaf'; readonly bytes: Buffer; readonly rowCount: number; readonly firstRow: number }
  | { readonly kind: 'branch'; readonly level: number; readonly entries: readonly BranchEntry[] };

/** Decodes a part. Of a leaf only the frame of its rows is checked here: lengths, and names in strict order. */
export function decodeTreePart(bytes: Buffer, what: string): TreePart {
  const reader = new ByteReader(bytes, what);
  const type = reader.u8();
  if (reader.u8() !== PART_VERSION) reader.fail('its version is unknown');
  if (type === PART_BRANCH) return decodeBranch(reader);
  if (type !== PART_LEAF) return reader.fail(`part type ${type}, a tree is expected`);
  const rowCount = reader.varint();
  const firstRow = reader.offset;
  let at = firstRow;
  let before = -1;
  for (let row = 0; row < rowCount; row++) {
    if (at + ROW_NAME_OFFSET > bytes.length) return reader.fail(`row ${row} begins behind the end`);
    const end = at + rowLengthAt(bytes, at);
    const nameEnd = at + ROW_NAME_OFFSET + bytes.readUInt16LE(at + ROW_NAME_LENGTH_OFFSET);
    if (end > bytes.length || nameEnd > end) return reader.fail(`row ${row} is longer than the part`);
    if (before >= 0 && compareRowNames(bytes, before, bytes, at) >= 0) return reader.fail(`row ${row} is out of order`);
    before = at;
    at = end;
  }
  if (at !== bytes.length) reader.fail('bytes behind the last row');
  return { kind: 'leaf', bytes, rowCount, firstRow };
}

function decodeBranch(reader: ByteReader): TreePart {
  const level = reader.u8();
  if (level < 1 || level > TREE_LEVELS_MAX) reader.fail(`level ${level}`);
  const count = reader.varint();
  if (count < 1 || count * (2 + BLOB_ID_BYTES) > reader.remaining) reader.fail(`${count} entries`);
  const entries: BranchEntry[] = [];
  for (let index = 0; index < count; index++) {
    const nameLength = reader.u16();
    if (nameLength === 0 || nameLength > NAME_BYTES_MAX) reader.fail('the length of a name');
    const name = reader.raw(nameLength);
    const before = entries.at(-1);
    if (before !== undefined && before.name.compare(name) >= 0) reader.fail(`entry ${index} is out of order`);
    entries.push({ name, treeId: reader.raw(BLOB_ID_BYTES) as BlobId, rows: reader.varint() });
  }
  reader.end();
  return { kind: 'branch', level, entries };
}

export type ContentList =
  | { readonly depth: 0; readonly entries: readonly ContentEntry[] }
  | { readonly depth: number; readonly lists: readonly ListEntry[] };

export function encodeContentList(list: ContentList): Buffer {
  const writer = new ByteWriter(8192);
  writer.u8(PART_LIST);
  writer.u8(PART_VERSION);
  writer.u8(list.depth);
  if ('entries' in list) writeContentEntries(writer, list.entries);
  else writeListEntries(writer, list.lists);
  return writer.finish();
}

export function decodeContentList(bytes: Buffer, what: string): ContentList {
  const reader = new ByteReader(bytes, what);
  if (reader.u8() !== PART_LIST) reader.fail('a content list is expected');
  if (reader.u8() !== PART_VERSION) reader.fail('its version is unknown');
  const depth = reader.u8();
  if (depth > TREE_LEVELS_MAX) reader.fail(`depth ${depth}`);
  const list: ContentList =
    depth === 0 ? { depth: 0, entries: readContentEntries(reader) } : { depth, lists: readListEntries(reader) };
  reader.end();
  return list;
}

/** True where a content list of `count` entries ends behind the entry with this id (none for a hole). */
export function endsContentList(
  count: number,
  id: BlobId | undefined,
  split: ContentSplit = CONTENT_SPLITS.usual,
): boolean {
  if (count < split.min) return false;
  if (count >= split.max) return true;
  return id !== undefined && id.readUInt32LE(0) % split.average === 0;
}

/** How many entries a list has. */
export interface ContentSplit {
  readonly min: number;
  readonly average: number;
  readonly max: number;
}

export const CONTENT_SPLITS = {
  usual: { min: CONTENT_LIST_ENTRIES_MIN, average: CONTENT_LIST_ENTRIES_AVERAGE, max: CONTENT_LIST_ENTRIES_MAX },
  /** Of the pieces of a dump; lists of its lists are split as usual. */
  rows: { min: CONTENT_ROWS_ENTRIES_MIN, average: CONTENT_ROWS_ENTRIES_AVERAGE, max: CONTENT_ROWS_ENTRIES_MAX },
} as const satisfies { readonly [kind: string]: ContentSplit };
