/**
 * tar as POSIX.1-2001 has it (pax), and what GNU tar made of it. What a header cannot hold stands in an extended header:
 * times to the nanosecond, long names and names that are not UTF-8, large numbers, attributes (SCHILY.xattr), and the map of
 * a sparse file (GNU.sparse, version 1.0). Reading is in archive-tar-reader.ts.
 */

import { isUtf8 } from 'node:buffer';
import type { Time } from '../base/stat.ts';
import type { ArchiveEntry, ArchiveEntryType, Region } from './archive-entry.ts';

export const TAR_BLOCK_BYTES = 512;
/** Zeros that end an archive. */
export const TAR_END_BYTES = 2 * TAR_BLOCK_BYTES;
const RECORD_BYTES = 20 * TAR_BLOCK_BYTES;

/** Where the fields of a header lie; both directions use it. */
export const TAR_FIELDS = {
  name: { offset: 0, length: 100 },
  mode: { offset: 100, length: 8 },
  uid: { offset: 108, length: 8 },
  gid: { offset: 116, length: 8 },
  size: { offset: 124, length: 12 },
  mtime: { offset: 136, length: 12 },
  checksum: { offset: 148, length: 8 },
  type: { offset: 156, length: 1 },
  linkName: { offset: 157, length: 100 },
  magic: { offset: 257, length: 8 },
  user: { offset: 265, length: 32 },
  group: { offset: 297, length: 32 },
  major: { offset: 329, length: 8 },
  minor: { offset: 337, length: 8 },
  prefix: { offset: 345, length: 155 },
} as const;
export type TarField = keyof typeof TAR_FIELDS;

export const TAR_TYPES: { readonly [type in ArchiveEntryType]: string } = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  chardev: '3',
  dev: '4',
  dir: '5',
  fifo: '6',
};

const USTAR_MAGIC = Buffer.from('ustar\x0000', 'latin1');
const NO_BYTES = Buffer.alloc(0);

export function paddingOf(length: number): number {
  return (TAR_BLOCK_BYTES - (length % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES;
}

/** Sum of a header's bytes with blanks in place of the sum itself. */
export function tarChecksum(header: Buffer): { readonly unsigned: number; readonly signed: number } {
  const { offset, length } = TAR_FIELDS.checksum;
  let unsigned = 0;
  let signed = 0;
  for (let at = 0; at < TAR_BLOCK_BYTES; at++) {
    const byte = at >= offset && at < offset + length ? 0x20 : (header[at] ?? 0);
    unsigned += byte;
    signed += byte < 128 ? byte : byte - 256;
  }
  return { unsigned, signed };
}

function put(header: Buffer, field: TarField, bytes: Buffer): void {
  const { offset, length } = TAR_FIELDS[field];
  bytes.copy(header, offset, 0, Math.min(bytes.length, length));
}

/** Octal digits and a NUL; false where the number does not fit, and zeros stand there. */
function putNumber(header: Buffer, field: TarField, value: number): boolean {
  const digits = TAR_FIELDS[field].length - 1;
  const fits = Number.isInteger(value) && value >= 0 && value < 8 ** digits;
  put(header, field, Buffer.from((fits ? value : 0).toString(8).padStart(digits, '0')));
  return fits;
}

interface HeaderFields {
  readonly name: Buffer;
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeSeconds: number;
  readonly linkName: Buffer;
  readonly user: Buffer;
  readonly group: Buffer;
  readonly device: { readonly major: number; readonly minor: number } | undefined;
}

/** Records of an extended header, in order. */
type Records = (readonly [key: Buffer | string, value: Buffer | string])[];

/** A header, and records for what did not fit into it. */
function encodeHeader(fields: HeaderFields): { readonly header: Buffer; readonly records: Records } {
  const header = Buffer.alloc(TAR_BLOCK_BYTES);
  const records: Records = [];
  const text = (field: 'name' | 'linkName' | 'user' | 'group', key: string, bytes: Buffer): void => {
    put(header, field, bytes);
    // A name of a user ends with a NUL in the header, other names need none.
    const room = TAR_FIELDS[field].length - (field === 'user' || field === 'group' ? 1 : 0);
    if (bytes.length > room) records.push([key, bytes]);
  };
  text('name', 'path', fields.name);
  putNumber(header, 'mode', fields.mode);
  if (!putNumber(header, 'uid', fields.uid)) records.push(['uid', String(fields.uid)]);
  if (!putNumber(header, 'gid', fields.gid)) records.push(['gid', String(fields.gid)]);
  if (!putNumber(header, 'size', fields.size)) records.push(['size', String(fields.size)]);
  putNumber(header, 'mtime', fields.mtimeSeconds);
  header.write(fields.type, TAR_FIELDS.type.offset, 'latin1');
  text('linkName', 'linkpath', fields.linkName);
  put(header, 'magic', USTAR_MAGIC);
  text('user', 'uname', fields.user);
  text('group', 'gname', fields.group);
  const { device } = fields;
  if (!putNumber(header, 'major', device?.major ?? 0)) records.push(['SCHILY.devmajor', String(device?.major)]);
  if (!putNumber(header, 'minor', device?.minor ?? 0)) records.push(['SCHILY.devminor', String(device?.minor)]);
  const sum = tarChecksum(header).unsigned.toString(8).padStart(6, '0');
  put(header, 'checksum', Buffer.from(`${sum}\0 `));
  return { header, records };
}

/** Decimal seconds, exact. */
export function formatPaxTime({ seconds, nanoseconds }: Time): string {
  if (nanoseconds === 0) return String(seconds);
  const isNegative = seconds < 0;
  const whole = isNegative ? -(seconds + 1) : seconds;
  const rest = isNegative ? 1_000_000_000 - nanoseconds : nanoseconds;
  return `${isNegative ? '-' : ''}${whole}.${String(rest).padStart(9, '0').replace(/0+$/, '')}`;
}

/** The record's own length, written in front of it, counts too. */
function encodeRecord(key: Buffer | string, value: Buffer | string): Buffer {
  const rest = Buffer.concat([Buffer.from(' '), Buffer.from(key as string), Buffer.from('=')]);
  const end = Buffer.concat([Buffer.from(value as string), Buffer.from('\n')]);
  const bare = rest.length + end.length;
  let length = bare + String(bare).length;
  length = bare + String(length).length;
  return Buffer.concat([Buffer.from(String(length)), rest, end]);
}

/** GNU tar writes `=` and `%` of a name so, since a record's key ends at its first `=`. */
function attributeKey(name: Buffer): Buffer {
  const escaped = name.toString('latin1').replace(/%/g, '%25').replace(/=/g, '%3D');
  return Buffer.from(`SCHILY.xattr.${escaped}`, 'latin1');
}

/** The map of a sparse file, which stands in front of its data. */
function encodeSparseMap(regions: readonly Region[]): Buffer {
  const lines = [regions.length, ...regions.flatMap(({ offset, length }) => [offset, length])];
  const text = Buffer.from(`${lines.join('\n')}\n`);
  return Buffer.concat([text, Buffer.alloc(paddingOf(text.length))]);
}

function baseName(path: Buffer): Buffer {
  return path.subarray(path.lastIndexOf(0x2f) + 1);
}

function besideName(path: Buffer, folder: string): Buffer {
  return Buffer.concat([path.subarray(0, path.lastIndexOf(0x2f) + 1), Buffer.from(`${folder}/`), baseName(path)]);
}

/** All that stands in front of an entry's data: extended header, header, and a sparse file's map. */
export function encodeTarEntry(entry: ArchiveEntry): Buffer {
  const { regions, type } = entry;
  const path = type === 'dir' ? Buffer.concat([entry.path, Buffer.from('/')]) : entry.path;
  const map = regions === undefined ? NO_BYTES : encodeSparseMap(regions);
  const dataBytes = regions === undefined ? entry.size : regions.reduce((sum, { length }) => sum + length, 0);
  const { seconds, nanoseconds } = entry.mtime;
  const { header, records } = encodeHeader({
    name: regions === undefined ? path : besideName(path, 'GNUSparseFile.0'),
    type: TAR_TYPES[type],
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    size: type === 'file' ? map.length + dataBytes : 0,
    mtimeSeconds: seconds,
    linkName: entry.linkTarget ?? NO_BYTES,
    user: Buffer.from(entry.user ?? ''),
    group: Buffer.from(entry.group ?? ''),
    device: entry.device,
  });
  if (nanoseconds !== 0 || seconds < 0 || seconds >= 8 ** 11) records.push(['mtime', formatPaxTime(entry.mtime)]);
  if (regions !== undefined) {
    records.push(['GNU.sparse.major', '1'], ['GNU.sparse.minor', '0'], ['GNU.sparse.name', path]);
    records.push(['GNU.sparse.realsize', String(entry.size)]);
  }
  for (const { name, value } of entry.attributes) records.push([attributeKey(name), value]);
  if (records.length === 0) return Buffer.concat([header, map]);
  // Names are UTF-8 unless this comes before them.
  const isBinary = !isUtf8(path) || (entry.linkTarget !== undefined && !isUtf8(entry.linkTarget));
  if (isBinary) records.unshift(['hdrcharset', 'BINARY']);
  return Buffer.concat([encodeExtendedHeader(path, records), header, map]);
}

function encodeExtendedHeader(path: Buffer, records: Records): Buffer {
  const body = Buffer.concat(records.map(([key, value]) => encodeRecord(key, value)));
  const { header } = encodeHeader({
    name: besideName(path.subarray(0, path.at(-1) === 0x2f ? -1 : undefined), 'PaxHeaders').subarray(0, 100),
    type: 'x',
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: body.length,
    mtimeSeconds: 0,
    linkName: NO_BYTES,
    user: NO_BYTES,
    group: NO_BYTES,
    device: undefined,
  });
  return Buffer.concat([header, body, Buffer.alloc(paddingOf(body.length))]);
}

/** What ends an archive of so many bytes: zeros up to a whole record, as tar has always written them. */
export function encodeTarEnd(bytesBefore: number): Buffer {
  const end = bytesBefore + TAR_END_BYTES;
  return Buffer.alloc(TAR_END_BYTES + ((RECORD_BYTES - (end % RECORD_BYTES)) % RECORD_BYTES));
}
