/** Decodes the records of a zip. Everything is taken from the directory at its end; what stands in front must agree. */

import { ByteReader } from '../base/bytes.ts';
import { EngineError, isEngineError } from '../base/errors.ts';
import { S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, type Time } from '../base/stat.ts';
import type { ArchiveEntry, ArchiveEntryType } from './archive-entry.ts';
import {
  NTFS_EPOCH_SECONDS,
  U16_MAX,
  U32_MAX,
  ZIP_CENTRAL_SIGNATURE,
  ZIP_END_SIGNATURE,
  ZIP_EXTRA_NTFS,
  ZIP_EXTRA_OWNER,
  ZIP_EXTRA_TIMES,
  ZIP_EXTRA_UNICODE_PATH,
  ZIP_EXTRA_ZIP64,
  ZIP_FLAG_UTF8,
  ZIP_HOST_UNIX,
  ZIP_LOCAL_SIGNATURE,
  ZIP64_END_SIGNATURE,
  ZIP64_LOCATOR_SIGNATURE,
} from './archive-zip.ts';

export const ZIP_END_BYTES = 22;
export const ZIP_END_BYTES_MAX = ZIP_END_BYTES + U16_MAX;
export const ZIP64_LOCATOR_BYTES = 20;
export const ZIP64_END_BYTES = 56;
export const ZIP_CENTRAL_BYTES = 46;
export const ZIP_LOCAL_BYTES = 30;

function invalid(why: string): never {
  throw new EngineError('ARCHIVE_INVALID', `The zip is damaged: ${why}`);
}

/** Runs a decoder; whatever does not fit makes the archive invalid. */
function decoding<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (isEngineError(error, 'OBJECT_CORRUPT')) return invalid(error.message);
    throw error;
  }
}

export interface ZipEnd {
  readonly entries: number;
  /** Of the directory, as the archive counts: from its own beginning. */
  readonly offset: number;
  readonly bytes: number;
}

/** Position of the end record in an archive's last bytes, or -1. */
export function findZipEnd(tail: Buffer): number {
  for (let at = tail.length - ZIP_END_BYTES; at >= 0; at--) {
    if (tail.readUInt32LE(at) !== ZIP_END_SIGNATURE) continue;
    if (at + ZIP_END_BYTES + tail.readUInt16LE(at + 20) === tail.length) return at;
  }
  return -1;
}

/** `isZip64`: some number stands in zip64's record instead. */
export function decodeZipEnd(bytes: Buffer): ZipEnd & { readonly isZip64: boolean } {
  return decoding(() => {
    const reader = new ByteReader(bytes, 'its end');
    reader.u32();
    const disks = [reader.u16(), reader.u16()];
    const here = reader.u16();
    const entries = reader.u16();
    const length = reader.u32();
    const offset = reader.u32();
    const isZip64 = entries === U16_MAX || length === U32_MAX || offset === U32_MAX;
    if (!isZip64 && (disks.some((disk) => disk !== 0) || here !== entries)) invalid('it is one of several parts');
    return { entries, offset, bytes: length, isZip64 };
  });
}

/** Offset of zip64's end record; undefined where no locator stands there. */
export function decodeZip64Locator(bytes: Buffer): number | undefined {
  return decoding(() => {
    const reader = new ByteReader(bytes, 'its zip64 locator');
    if (reader.u32() !== ZIP64_LOCATOR_SIGNATURE) return undefined;
    if (reader.u32() !== 0) invalid('it is one of several parts');
    return reader.u64();
  });
}

export function decodeZip64End(bytes: Buffer): ZipEnd {
  return decoding(() => {
    const reader = new ByteReader(bytes, 'its zip64 end');
    if (reader.u32() !== ZIP64_END_SIGNATURE) return invalid('its zip64 end is missing');
    reader.raw(8 + 2 + 2 + 4 + 4);
    const here = reader.u64();
    const entries = reader.u64();
    if (here !== entries) invalid('it is one of several parts');
    const length = reader.u64();
    return { entries, bytes: length, offset: reader.u64() };
  });
}

/** One entry of the directory. */
export interface ZipCentral {
  readonly entry: ArchiveEntry;
  /** As it stands in the archive. */
  readonly rawName: Buffer;
  readonly flags: number;
  readonly method: number;
  readonly crc32: number;
  readonly compressedBytes: number;
  readonly bytes: number;
  readonly offset: number;
}

/** Lengths of what follows the fixed part of a directory entry. */
export function zipCentralRest(fixed: Buffer): number {
  if (fixed.readUInt32LE(0) !== ZIP_CENTRAL_SIGNATURE) invalid('an entry of its directory is missing');
  return fixed.readUInt16LE(28) + fixed.readUInt16LE(30) + fixed.readUInt16LE(32);
}

/** `owner` is whose a file is that says nothing about it; times without a zone are in this machine's. */
export function decodeZipCentral(
  record: Buffer,
  owner: { readonly uid: number; readonly gid: number },
  crc32: (bytes: Buffer) => number,
): ZipCentral {
  return decoding(() => {
    const reader = new ByteReader(record, 'an entry of its directory');
    reader.u32();
    reader.u8();
    const host = reader.u8();
    reader.u16();
    const flags = reader.u16();
    const method = reader.u16();
    const dos = { time: reader.u16(), date: reader.u16() };
    const checksum = reader.u32();
    const small = { compressedBytes: reader.u32(), bytes: reader.u32() };
    const [nameLength, extraLength, commentLength] = [reader.u16(), reader.u16(), reader.u16()];
    reader.u16();
    reader.u16();
    const external = reader.u32();
    const smallOffset = reader.u32();
    const rawName = Buffer.from(reader.raw(nameLength));
    const extras = decodeExtras(reader.raw(extraLength));
    reader.raw(commentLength);
    reader.end();
    const large = zip64Numbers(extras, [small.bytes, small.compressedBytes, smallOffset]);
    const [bytes = 0, compressedBytes = 0, offset = 0] = large;
    const name = decodeName(rawName, { host, flags, unicode: extras.get(ZIP_EXTRA_UNICODE_PATH), crc32 });
    const mode = host === ZIP_HOST_UNIX ? external >>> 16 : 0;
    const type = typeOf(name, mode);
    const ids = ownerOf(extras.get(ZIP_EXTRA_OWNER)) ?? owner;
    const entry: ArchiveEntry = {
      path: name,
      type,
      mode: mode === 0 ? (type === 'dir' ? 0o755 : 0o644) : mode & 0o7777,
      ...ids,
      user: undefined,
      group: undefined,
      size: type === 'file' ? bytes : 0,
      mtime: timeOf(extras, dos),
      linkTarget: undefined,
      device: undefined,
      attributes: [],
      regions: undefined,
    };
    return { entry, rawName, flags, method, crc32: checksum, compressedBytes, bytes, offset };
  });
}

function typeOf(name: Buffer, mode: number): ArchiveEntryType {
  const format = mode & S_IFMT;
  if (name.at(-1) === 0x2f || format === S_IFDIR) return 'dir';
  if (format === S_IFLNK) return 'symlink';
  if (format === S_IFIFO) return 'fifo';
  return format === 0 || format === S_IFREG ? 'file' : 'dev';
}

type Extras = ReadonlyMap<number, Buffer>;

/** Some programs leave rubbish behind the last field: it is ignored. */
function decodeExtras(bytes: Buffer): Extras {
  const extras = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at + 2);
    if (at + 4 + length > bytes.length) break;
    extras.set(bytes.readUInt16LE(at), bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return extras;
}

/** In the order of zip64's field, which holds only those that did not fit. */
function zip64Numbers(extras: Extras, numbers: readonly number[]): number[] {
  const reader = new ByteReader(extras.get(ZIP_EXTRA_ZIP64) ?? Buffer.alloc(0), 'a zip64 field');
  return numbers.map((number) => (number === U32_MAX && reader.remaining >= 8 ? reader.u64() : number));
}

/** Upper half of code page 437, in which zips without a word about it are written on other systems. */
const CODE_PAGE =
  'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0';

function decodeName(
  rawName: Buffer,
  about: {
    readonly host: number;
    readonly flags: number;
    readonly unicode: Buffer | undefined;
    readonly crc32: (bytes: Buffer) => number;
  },
): Buffer {
  const { host, flags, unicode } = about;
  if (
    unicode !== undefined &&
    unicode.length > 5 &&
    unicode[0] === 1 &&
    unicode.readUInt32LE(1) === about.crc32(rawName)
  )
    return Buffer.from(unicode.subarray(5));
  if ((flags & ZIP_FLAG_UTF8) !== 0 || host === ZIP_HOST_UNIX) return rawName;
  let text = '';
  for (const byte of rawName) text += byte < 128 ? String.fromCharCode(byte) : (CODE_PAGE[byte - 128] ?? '?');
  return Buffer.from(text.includes('/') ? text : text.replaceAll('\\', '/'));
}

function ownerOf(field: Buffer | undefined): { uid: number; gid: number } | undefined {
  if (field === undefined || field.length !== 11 || field[0] !== 1 || field[1] !== 4 || field[6] !== 4)
    return undefined;
  return { uid: field.readUInt32LE(2), gid: field.readUInt32LE(7) };
}

function timeOf(extras: Extras, dos: { readonly time: number; readonly date: number }): Time {
  const ntfs = extras.get(ZIP_EXTRA_NTFS);
  if (ntfs !== undefined && ntfs.length >= 16 && ntfs.readUInt16LE(4) === 1 && ntfs.readUInt16LE(6) >= 8) {
    const ticks = ntfs.readBigUInt64LE(8);
    const seconds = Number(ticks / 10_000_000n) - NTFS_EPOCH_SECONDS;
    return { seconds, nanoseconds: Number(ticks % 10_000_000n) * 100 };
  }
  const times = extras.get(ZIP_EXTRA_TIMES);
  if (times !== undefined && times.length >= 5 && ((times[0] ?? 0) & 1) === 1) {
    return { seconds: times.readInt32LE(1), nanoseconds: 0 };
  }
  const { date, time } = dos;
  const local = new Date(
    1980 + (date >> 9),
    ((date >> 5) & 15) - 1,
    date & 31,
    time >> 11,
    (time >> 5) & 63,
    (time & 31) * 2,
  );
  return { seconds: Math.floor(local.getTime() / 1000), nanoseconds: 0 };
}

/** Bytes between the beginning of a local header and its data; the name in it must be the directory's. */
export function zipLocalRest(fixed: Buffer): { readonly nameBytes: number; readonly extraBytes: number } {
  if (fixed.readUInt32LE(0) !== ZIP_LOCAL_SIGNATURE) invalid('an entry does not lie where its directory says');
  return { nameBytes: fixed.readUInt16LE(26), extraBytes: fixed.readUInt16LE(28) };
}
