/**
 * zip as PKWARE's APPNOTE has it, with zip64, and the fields that Info-ZIP added for Unix. Attributes, hard links, devices and
 * fifos have no place in it. Reading is in archive-zip-reader.ts.
 */

import { ByteWriter } from '../base/bytes.ts';
import { S_IFDIR, S_IFLNK, S_IFREG } from '../base/stat.ts';
import { type ArchiveEntry, isUtf8 } from './archive-entry.ts';

export const ZIP_LOCAL_SIGNATURE = 0x04034b50;
export const ZIP_DESCRIPTOR_SIGNATURE = 0x08074b50;
export const ZIP_CENTRAL_SIGNATURE = 0x02014b50;
export const ZIP_END_SIGNATURE = 0x06054b50;
export const ZIP64_END_SIGNATURE = 0x06064b50;
export const ZIP64_LOCATOR_SIGNATURE = 0x07064b50;

export const ZIP_METHOD_STORED = 0;
export const ZIP_METHOD_DEFLATE = 8;

export const ZIP_FLAG_ENCRYPTED = 1;
/** Sizes and CRC-32 stand behind the data. */
export const ZIP_FLAG_DESCRIPTOR = 1 << 3;
export const ZIP_FLAG_UTF8 = 1 << 11;

export const ZIP_EXTRA_ZIP64 = 0x0001;
export const ZIP_EXTRA_NTFS = 0x000a;
export const ZIP_EXTRA_TIMES = 0x5455;
export const ZIP_EXTRA_UNICODE_PATH = 0x7075;
export const ZIP_EXTRA_OWNER = 0x7875;

/** What a field of 32 or 16 bits holds where zip64 has the number. */
export const U32_MAX = 0xffff_ffff;
export const U16_MAX = 0xffff;
export const ZIP_HOST_UNIX = 3;
/** Files from this size on have 8-byte lengths behind their data, since compression may lengthen them a little. */
export const ZIP64_BYTES_MIN = 0xf000_0000;

const VERSION_PLAIN = 20;
const VERSION_ZIP64 = 45;
const DOS_DIRECTORY = 0x10;

/** Between 1601, from which NTFS counts, and 1970. */
export const NTFS_EPOCH_SECONDS = 11_644_473_600;

/** What is known of an entry's data once it is written. */
export interface ZipData {
  readonly method: number;
  readonly crc32: number;
  readonly compressedBytes: number;
  readonly bytes: number;
}

/** How an entry of ours looks in a zip. */
function nameOf(entry: ArchiveEntry): Buffer {
  return entry.type === 'dir' ? Buffer.concat([entry.path, Buffer.from('/')]) : entry.path;
}

function flagsOf(entry: ArchiveEntry, hasDescriptor: boolean): number {
  return (hasDescriptor ? ZIP_FLAG_DESCRIPTOR : 0) | (isUtf8(entry.path) ? ZIP_FLAG_UTF8 : 0);
}

function dosTime(seconds: number): { readonly date: number; readonly time: number } {
  const clamped = Math.min(Math.max(seconds, 315_532_800), 4_354_819_198);
  const at = new Date(clamped * 1000);
  const date = ((at.getUTCFullYear() - 1980) << 9) | ((at.getUTCMonth() + 1) << 5) | at.getUTCDate();
  const time = (at.getUTCHours() << 11) | (at.getUTCMinutes() << 5) | (at.getUTCSeconds() >> 1);
  return { date, time };
}

function encodeExtras(entry: ArchiveEntry, place: 'local' | 'central', zip64: readonly number[]): Buffer {
  const extras = new ByteWriter(64);
  if (zip64.length > 0) {
    extras.u16(ZIP_EXTRA_ZIP64);
    extras.u16(zip64.length * 8);
    for (const value of zip64) extras.u64(value);
  }
  const { seconds, nanoseconds } = entry.mtime;
  if (seconds >= -0x8000_0000 && seconds <= 0x7fff_ffff) {
    extras.u16(ZIP_EXTRA_TIMES);
    extras.u16(5);
    extras.u8(1);
    extras.u32(seconds >>> 0);
  }
  extras.u16(ZIP_EXTRA_OWNER);
  extras.u16(11);
  extras.u8(1);
  for (const id of [entry.uid, entry.gid]) {
    extras.u8(4);
    extras.u32(id);
  }
  // What the other field does not reach: fractions of a second, and times far away.
  const isFar = seconds < -0x8000_0000 || seconds > 0x7fff_ffff;
  const ntfs = BigInt(seconds + NTFS_EPOCH_SECONDS) * 10_000_000n + BigInt(Math.floor(nanoseconds / 100));
  if (place === 'central' && (nanoseconds !== 0 || isFar) && ntfs >= 0n && ntfs < 1n << 63n) {
    extras.u16(ZIP_EXTRA_NTFS);
    extras.u16(32);
    extras.u32(0);
    extras.u16(1);
    extras.u16(24);
    for (let field = 0; field < 3; field++) {
      extras.u32(Number(ntfs & 0xffff_ffffn));
      extras.u32(Number(ntfs >> 32n));
    }
  }
  return extras.finish();
}

/**
 * The header in front of an entry's data. Without `data` its lengths and CRC-32 follow behind the data
 * (encodeZipDescriptor).
 */
export function encodeZipLocal(entry: ArchiveEntry, method: number, data: ZipData | undefined): Buffer {
  const isZip64 = needsZip64(entry);
  const name = nameOf(entry);
  const { date, time } = dosTime(entry.mtime.seconds);
  const zip64 = isZip64 ? [data?.bytes ?? 0, data?.compressedBytes ?? 0] : [];
  const extras = encodeExtras(entry, 'local', zip64);
  const writer = new ByteWriter(64 + name.length + extras.length);
  writer.u32(ZIP_LOCAL_SIGNATURE);
  writer.u16(isZip64 ? VERSION_ZIP64 : VERSION_PLAIN);
  writer.u16(flagsOf(entry, data === undefined));
  writer.u16(method);
  writer.u16(time);
  writer.u16(date);
  writer.u32(data?.crc32 ?? 0);
  writer.u32(isZip64 ? U32_MAX : (data?.compressedBytes ?? 0));
  writer.u32(isZip64 ? U32_MAX : (data?.bytes ?? 0));
  writer.u16(name.length);
  writer.u16(extras.length);
  writer.raw(name);
  writer.raw(extras);
  return writer.finish();
}

function needsZip64(entry: ArchiveEntry): boolean {
  return entry.type === 'file' && entry.size >= ZIP64_BYTES_MIN;
}

export function encodeZipDescriptor(entry: ArchiveEntry, data: ZipData): Buffer {
  const writer = new ByteWriter(24);
  writer.u32(ZIP_DESCRIPTOR_SIGNATURE);
  writer.u32(data.crc32);
  for (const length of [data.compressedBytes, data.bytes]) {
    if (needsZip64(entry)) writer.u64(length);
    else writer.u32(length);
  }
  return writer.finish();
}

/** `st_mode` of what a zip holds. */
function modeOf(entry: ArchiveEntry): number {
  const type = entry.type === 'dir' ? S_IFDIR : entry.type === 'symlink' ? S_IFLNK : S_IFREG;
  return type | entry.mode;
}

export function encodeZipCentral(
  entry: ArchiveEntry,
  data: ZipData,
  place: { readonly offset: number; readonly hasDescriptor: boolean },
): Buffer {
  const name = nameOf(entry);
  const isLarge = needsZip64(entry) || Math.max(data.bytes, data.compressedBytes) >= U32_MAX;
  const isFar = place.offset >= U32_MAX;
  const zip64 = [...(isLarge ? [data.bytes, data.compressedBytes] : []), ...(isFar ? [place.offset] : [])];
  const extras = encodeExtras(entry, 'central', zip64);
  const { date, time } = dosTime(entry.mtime.seconds);
  const version = zip64.length > 0 ? VERSION_ZIP64 : VERSION_PLAIN;
  const writer = new ByteWriter(64 + name.length + extras.length);
  writer.u32(ZIP_CENTRAL_SIGNATURE);
  writer.u16((ZIP_HOST_UNIX << 8) | VERSION_ZIP64);
  writer.u16(version);
  writer.u16(flagsOf(entry, place.hasDescriptor));
  writer.u16(data.method);
  writer.u16(time);
  writer.u16(date);
  writer.u32(data.crc32);
  writer.u32(isLarge ? U32_MAX : data.compressedBytes);
  writer.u32(isLarge ? U32_MAX : data.bytes);
  writer.u16(name.length);
  writer.u16(extras.length);
  writer.u16(0);
  writer.u16(0);
  writer.u16(0);
  writer.u16(entry.type === 'dir' ? DOS_DIRECTORY : 0);
  writer.u16(modeOf(entry));
  writer.u32(isFar ? U32_MAX : place.offset);
  writer.raw(name);
  writer.raw(extras);
  return writer.finish();
}

/** What ends an archive; with zip64's records where a number needs them. */
export function encodeZipEnd(directory: {
  readonly entries: number;
  readonly offset: number;
  readonly bytes: number;
}): Buffer {
  const { entries, offset, bytes } = directory;
  const writer = new ByteWriter(128);
  if (entries >= U16_MAX || offset >= U32_MAX || bytes >= U32_MAX) {
    writer.u32(ZIP64_END_SIGNATURE);
    writer.u64(44);
    writer.u16((ZIP_HOST_UNIX << 8) | VERSION_ZIP64);
    writer.u16(VERSION_ZIP64);
    writer.u32(0);
    writer.u32(0);
    for (const value of [entries, entries, bytes, offset]) writer.u64(value);
    writer.u32(ZIP64_LOCATOR_SIGNATURE);
    writer.u32(0);
    writer.u64(offset + bytes);
    writer.u32(1);
  }
  writer.u32(ZIP_END_SIGNATURE);
  writer.u16(0);
  writer.u16(0);
  for (const value of [entries, entries]) writer.u16(Math.min(value, U16_MAX));
  for (const value of [bytes, offset]) writer.u32(Math.min(value, U32_MAX));
  writer.u16(0);
  return writer.finish();
}
