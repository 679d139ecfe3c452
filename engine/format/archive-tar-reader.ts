/**
 * Decodes headers of tars as POSIX, GNU and old Unix wrote them. Strict where doubt would be dangerous: a number that is
 * none, a checksum that does not fit, a record that is cut off make an archive invalid.
 */

import { EngineError } from '../base/errors.ts';
import type { Time } from '../base/stat.ts';
import type { ArchiveEntry, ArchiveEntryType, Region } from './archive-entry.ts';
import { TAR_BLOCK_BYTES, TAR_FIELDS, TAR_TYPES, type TarField, tarChecksum } from './archive-tar.ts';

/** What a header says by itself. */
export interface TarHeader {
  /** One character; an old header's NUL is a file's `0`. */
  readonly type: string;
  readonly name: Buffer;
  readonly linkName: Buffer;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of data behind it. */
  readonly size: number;
  readonly mtimeSeconds: number;
  readonly user: Buffer;
  readonly group: Buffer;
  readonly major: number;
  readonly minor: number;
  readonly isGnu: boolean;
}

/** Records of extended headers; of records with the same key the last one counts, but for old sparse maps. */
export type PaxRecords = ReadonlyMap<string, Buffer>;

const NO_BYTES = Buffer.alloc(0);
const OLD_SPARSE_MAP = 'GNU.sparse.map';

function invalid(why: string): never {
  throw new EngineError('ARCHIVE_INVALID', `The tar is damaged: ${why}`);
}

function raw(header: Buffer, field: TarField): Buffer {
  const { offset, length } = TAR_FIELDS[field];
  return header.subarray(offset, offset + length);
}

/** Up to the first NUL; a copy. */
function text(header: Buffer, field: TarField): Buffer {
  const bytes = raw(header, field);
  const end = bytes.indexOf(0);
  return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end));
}

/** Octal digits, or GNU's base 256. */
export function decodeTarNumber(bytes: Buffer, what: string): number {
  const first = bytes[0] ?? 0;
  if ((first & 0x80) !== 0) {
    // Two's complement behind the marker bit.
    let value = (first & 0x40) !== 0 ? -1n : 0n;
    value = (value << 6n) | BigInt(first & 0x3f);
    for (const byte of bytes.subarray(1)) value = (value << 8n) | BigInt(byte);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : invalid(`${what} is beyond every bound`);
  }
  const digits = bytes
    .toString('latin1')
    .replace(/^[ \0]+/, '')
    .replace(/[ \0].*$/s, '');
  if (digits === '') return 0;
  if (!/^[0-7]+$/.test(digits)) invalid(`${what} is no number`);
  return Number.parseInt(digits, 8);
}

export function isZeroBlock(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}

/** ARCHIVE_INVALID for what is no header. */
export function decodeTarHeader(block: Buffer): TarHeader {
  const number = (field: TarField): number => decodeTarNumber(raw(block, field), `the field "${field}" of a header`);
  const sum = tarChecksum(block);
  const wanted = number('checksum');
  if (wanted !== sum.unsigned && wanted !== sum.signed) invalid('the checksum of a header does not fit');
  const magic = raw(block, 'magic').toString('latin1');
  const isPosix = magic.startsWith('ustar\0');
  const type = String.fromCharCode(block[TAR_FIELDS.type.offset] ?? 0);
  const prefix = isPosix ? text(block, 'prefix') : NO_BYTES;
  const name = text(block, 'name');
  const size = number('size');
  if (size < 0) invalid('a negative size');
  const isDevice = type === TAR_TYPES.chardev || type === TAR_TYPES.dev;
  return {
    type: type === '\0' || type === '7' ? TAR_TYPES.file : type,
    name: prefix.length === 0 ? name : Buffer.concat([prefix, Buffer.from('/'), name]),
    linkName: text(block, 'linkName'),
    mode: number('mode'),
    uid: number('uid'),
    gid: number('gid'),
    size,
    mtimeSeconds: number('mtime'),
    user: text(block, 'user'),
    group: text(block, 'group'),
    major: isDevice ? number('major') : 0,
    minor: isDevice ? number('minor') : 0,
    isGnu: magic.startsWith('ustar '),
  };
}

/** The records of one extended header, added to those before. */
export function decodePaxRecords(body: Buffer, before: PaxRecords = new Map()): Map<string, Buffer> {
  const records = new Map(before);
  const oldMap: string[] = [];
  for (let at = 0; at < body.length; ) {
    const blank = body.indexOf(0x20, at);
    const digits = blank < 0 ? '' : body.toString('latin1', at, Math.min(blank, at + 12));
    const length = /^\d+$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    const equals = body.indexOf(0x3d, blank + 1);
    if (length === 0 || end > body.length || body[end - 1] !== 0x0a || equals < 0 || equals >= end) {
      return invalid('a record of an extended header is cut off');
    }
    const key = body.toString('latin1', blank + 1, equals);
    const value = Buffer.from(body.subarray(equals + 1, end - 1));
    if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes') oldMap.push(value.toString('latin1'));
    // No value means that what was said before does not hold any more.
    else if (value.length === 0 && !key.startsWith('SCHILY.xattr.')) records.delete(key);
    else records.set(key, value);
    at = end;
  }
  if (oldMap.length > 0) records.set(OLD_SPARSE_MAP, Buffer.from(oldMap.join(',')));
  return records;
}

function decimal(value: Buffer, what: string): number {
  const digits = value.toString('latin1');
  const number = /^-?\d{1,16}$/.test(digits) ? Number(digits) : Number.NaN;
  return Number.isSafeInteger(number) ? number : invalid(`${what} is no number`);
}

/** Decimal seconds; more than nine places are cut off, towards the past. */
export function parsePaxTime(value: Buffer): Time {
  const match = /^(-?)(\d{1,15})(?:\.(\d*))?$/.exec(value.toString('latin1'));
  if (match === null) return invalid('a time is no number');
  const whole = Number(match[2]);
  const fraction = match[3] ?? '';
  const nanoseconds = Number(fraction.slice(0, 9).padEnd(9, '0'));
  if (match[1] === '') return { seconds: whole, nanoseconds };
  const isBeyond = /[1-9]/.test(fraction.slice(9));
  const down = nanoseconds + (isBeyond ? 1 : 0);
  if (down === 0) return { seconds: whole === 0 ? 0 : -whole, nanoseconds: 0 };
  return { seconds: -whole - 1, nanoseconds: 1_000_000_000 - down };
}

const ENTRY_TYPES: { readonly [type: string]: ArchiveEntryType } = Object.fromEntries(
  Object.entries(TAR_TYPES).map(([type, letter]) => [letter, type as ArchiveEntryType]),
);
/** GNU's own sparse file. */
export const TAR_TYPE_OLD_SPARSE = 'S';

/** Data bytes that stand behind a header, its extended header considered. */
export function tarDataBytes(header: TarHeader, records: PaxRecords): number {
  const size = records.get('size');
  const bytes = size === undefined ? header.size : decimal(size, 'a size');
  return bytes < 0 ? invalid('a negative size') : bytes;
}

/** Where the map of a sparse file is found. */
export type SparseKind = 'none' | 'records' | 'data';

export function sparseKind(records: PaxRecords): SparseKind {
  if (records.has('GNU.sparse.major'))
    return records.get('GNU.sparse.major')?.toString('latin1') === '1' ? 'data' : 'none';
  return records.has(OLD_SPARSE_MAP) ? 'records' : 'none';
}

/**
 * The entry that a header and its records stand for; undefined for a type that has no meaning here. `size` is the file's, and
 * `regions` are given where it is sparse.
 */
export function tarEntry(
  header: TarHeader,
  records: PaxRecords,
  sparse: { readonly regions: readonly Region[]; readonly size: number } | undefined,
): ArchiveEntry | undefined {
  const path = records.get('GNU.sparse.name') ?? records.get('path') ?? header.name;
  const isSparse = header.type === TAR_TYPE_OLD_SPARSE;
  const named = isSparse ? 'file' : ENTRY_TYPES[header.type];
  // Old tars mark a directory by its name alone.
  const type = named === 'file' && path.at(-1) === 0x2f ? 'dir' : named;
  if (type === undefined) return undefined;
  const id = (key: 'uid' | 'gid'): number => {
    const value = records.get(key);
    return value === undefined ? header[key] : decimal(value, `a ${key}`);
  };
  const time = records.get('mtime');
  const link = records.get('linkpath') ?? header.linkName;
  const isLink = type === 'symlink' || type === 'hardlink';
  const device = (key: 'major' | 'minor'): number => {
    const value = records.get(`SCHILY.dev${key}`);
    return value === undefined ? header[key] : decimal(value, `a device's ${key} number`);
  };
  const name = (key: 'user' | 'group', record: string): string | undefined => {
    const bytes = records.get(record) ?? header[key];
    return bytes.length === 0 ? undefined : bytes.toString('utf8');
  };
  return {
    path,
    type,
    mode: header.mode & 0o7777,
    uid: id('uid'),
    gid: id('gid'),
    user: name('user', 'uname'),
    group: name('group', 'gname'),
    size: type !== 'file' ? 0 : (sparse?.size ?? tarDataBytes(header, records)),
    mtime: time === undefined ? { seconds: header.mtimeSeconds, nanoseconds: 0 } : parsePaxTime(time),
    linkTarget: isLink ? link : undefined,
    device: type === 'chardev' || type === 'dev' ? { major: device('major'), minor: device('minor') } : undefined,
    attributes: attributesOf(records),
    regions: sparse?.regions,
  };
}

function attributesOf(records: PaxRecords): ArchiveEntry['attributes'] {
  const prefix = 'SCHILY.xattr.';
  const attributes: { name: Buffer; value: Buffer }[] = [];
  for (const [key, value] of records) {
    if (!key.startsWith(prefix) || key.length === prefix.length) continue;
    const name = key.slice(prefix.length).replace(/%3D/g, '=').replace(/%25/g, '%');
    attributes.push({ name: Buffer.from(name, 'latin1'), value });
  }
  return attributes;
}

/** Regions of data, checked: in order, apart, within the size, and as many bytes as stand there. */
export function checkedRegions(numbers: readonly number[], size: number, dataBytes: number): Region[] {
  const regions: Region[] = [];
  let end = 0;
  let total = 0;
  for (let at = 0; at + 1 < numbers.length; at += 2) {
    const [offset = -1, length = -1] = numbers.slice(at, at + 2);
    if (offset < end || length < 0 || offset + length > size) invalid('the map of a sparse file makes no sense');
    if (length > 0) regions.push({ offset, length });
    end = offset + length;
    total += length;
  }
  if (numbers.length % 2 !== 0 || total !== dataBytes) invalid('the map of a sparse file does not fit its data');
  return regions;
}

/** The size and map that records hold (GNU.sparse 0.0 and 0.1), or the size alone (1.0). */
export function sparseSize(records: PaxRecords): number {
  const value = records.get('GNU.sparse.realsize') ?? records.get('GNU.sparse.size');
  const size = value === undefined ? -1 : decimal(value, 'the size of a sparse file');
  return size < 0 ? invalid('a sparse file without a size') : size;
}

export function sparseNumbers(records: PaxRecords): number[] {
  const list = records.get(OLD_SPARSE_MAP)?.toString('latin1') ?? '';
  return list === '' ? [] : list.split(',').map((part) => decimal(Buffer.from(part), 'the map of a sparse file'));
}

const OLD_MAP_OFFSET = 386;
const OLD_MAP_PAIRS = 4;
const OLD_EXTENSION_PAIRS = 21;

/** GNU's own sparse header: pairs of numbers, the real size, and whether more pairs follow in a block of their own. */
export function decodeOldSparse(
  block: Buffer,
  isExtension: boolean,
): { numbers: number[]; more: boolean; size: number } {
  const start = isExtension ? 0 : OLD_MAP_OFFSET;
  const pairs = isExtension ? OLD_EXTENSION_PAIRS : OLD_MAP_PAIRS;
  const numbers: number[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    const at = start + pair * 24;
    if (block[at] === 0) break;
    for (const offset of [at, at + 12]) {
      numbers.push(decodeTarNumber(block.subarray(offset, offset + 12), 'the map of a sparse file'));
    }
  }
  const end = start + pairs * 24;
  const size = isExtension ? 0 : decodeTarNumber(block.subarray(end + 1, end + 13), 'the size of a sparse file');
  return { numbers, more: block[end] === 1, size };
}

/** True for a block that may be the first of a tar. */
export function looksLikeTar(block: Buffer): boolean {
  if (block.length < TAR_BLOCK_BYTES) return false;
  if (isZeroBlock(block)) return true;
  try {
    decodeTarHeader(block);
    return true;
  } catch {
    return false;
  }
}
