/**
 * zip as PKWARE's APPNOTE has it, with zip64, and the fields that Info-ZIP added for Unix. Attributes, hard links, devices and
 * fifos have no place in it. Reading is in archive-zip-reader.ts.
 */

import { isUtf8 } from 'node:buffer';
import { ByteWriter } from '../base/bytes.ts';
import { S_IFDIR, S_IFLNK, S_IFREG } from '../base/stat.ts';
import type { ArchiveEntry } from './archive-entry.ts';

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

const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
const DESCRIPTOR_BYTES = 16;
const DESCRIPTOR_ZIP64_BYTES = 24;
const EXTRA_HEAD_BYTES = 4;
const EXTRA_TIMES_BYTES = EXTRA_HEAD_BYTES + 5;
const EXTRA_OWNER_BYTES = EXTRA_HEAD_BYTES + 11;
const EXTRA_NTFS_BYTES = EXTRA_HEAD_BYTES + 32;

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

/** Seconds that fit into the field that most programs know. */
function hasNearTime({ mtime: { seconds } }: ArchiveEntry): boolean {
  return seconds >= -0x8000_0000 && seconds <= 0x7fff_ffff;
}

/** What that field does not reach: fractions of a second, and times far away. In units of 100 ns since 1601. */
function ntfsTime(entry: ArchiveEntry): bigint | undefined {
  const { seconds, nanoseconds } = entry.mtime;
  if (nanoseconds === 0 && hasNearTime(entry)) return undefined;
  const ntfs = BigInt(seconds + NTFS_EPOCH_SECONDS) * 10_000_000n + BigInt(Math.floor(nanoseconds / 100));
  return ntfs >= 0n && ntfs < 1n << 63n ? ntfs : undefined;
}

type ExtrasPlace = 'local' | 'central';

function extrasBytes(entry: ArchiveEntry, place: ExtrasPlace, zip64Count: number): number {
  const zip64 = zip64Count > 0 ? EXTRA_HEAD_BYTES + zip64Count * 8 : 0;
  const times = hasNearTime(entry) ? EXTRA_TIMES_BYTES : 0;
  const ntfs = place === 'central' && ntfsTime(entry) !== undefined ? EXTRA_NTFS_BYTES : 0;
  return zip64 + times + EXTRA_OWNER_BYTES + ntfs;
}

function writeExtras(
  extras: ByteWriter,
  entry: ArchiveEntry,
  { place, zip64 }: { readonly place: ExtrasPlace; readonly zip64: readonly number[] },
): void {
  if (zip64.length > 0) {
    extras.u16(ZIP_EXTRA_ZIP64);
    extras.u16(zip64.length * 8);
    for (const value of zip64) extras.u64(value);
  }
  if (hasNearTime(entry)) {
    extras.u16(ZIP_EXTRA_TIMES);
    extras.u16(5);
    extras.u8(1);
    extras.u32(entry.mtime.seconds >>> 0);
  }
  extras.u16(ZIP_EXTRA_OWNER);
  extras.u16(11);
  extras.u8(1);
  for (const id of [entry.uid, entry.gid]) {
    extras.u8(4);
    extras.u32(id);
  }
  const ntfs = place === 'central' ? ntfsTime(entry) : undefined;
  if (ntfs !== undefined) {
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
  const extras = extrasBytes(entry, 'local', zip64.length);
  const writer = new ByteWriter(LOCAL_BYTES + name.length + extras);
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
  writer.u16(extras);
  writer.raw(name);
  writeExtras(writer, entry, { place: 'local', zip64 });
  return writer.take();
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
  const extras = extrasBytes(entry, 'central', zip64.length);
  const { date, time } = dosTime(entry.mtime.seconds);
  const version = zip64.length > 0 ? VERSION_ZIP64 : VERSION_PLAIN;
  const writer = new ByteWriter(CENTRAL_BYTES + name.length + extras);
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
  writer.u16(extras);
  writer.u16(0);
  writer.u16(0);
  writer.u16(0);
  writer.u16(entry.type === 'dir' ? DOS_DIRECTORY : 0);
  writer.u16(modeOf(entry));
  writer.u32(isFar ? U32_MAX : place.offset);
  writer.raw(name);
  writeExtras(writer, entry, { place: 'central', zip64 });
  return writer.take();
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

/** Lengths in an archive of what stands for an entry, in bytes. */
export interface ZipEntryBytes {
  readonly local: number;
  readonly data: number;
  readonly descriptor: number;
  readonly central: number;
}

/** What encodeZipLocal, encodeZipDescriptor and encodeZipCentral will give for an entry that is stored as it is. */
export function zipEntryBytes(
  entry: ArchiveEntry,
  place: { readonly offset: number; readonly hasDescriptor: boolean },
): ZipEntryBytes {
  const isLarge = needsZip64(entry);
  const name = entry.path.length + (entry.type === 'dir' ? 1 : 0);
  const centralNumbers = (isLarge ? 2 : 0) + (place.offset >= U32_MAX ? 1 : 0);
  return {
    local: LOCAL_BYTES + name + extrasBytes(entry, 'local', isLarge ? 2 : 0),
    data: zipDataBytes(entry),
    descriptor: place.hasDescriptor ? (isLarge ? DESCRIPTOR_ZIP64_BYTES : DESCRIPTOR_BYTES) : 0,
    central: CENTRAL_BYTES + name + extrasBytes(entry, 'central', centralNumbers),
  };
}

/** Bytes that an entry's data have where it is stored as it is. */
export function zipDataBytes({ type, size, linkTarget }: ArchiveEntry): number {
  return type === 'file' ? size : type === 'symlink' ? (linkTarget?.length ?? 0) : 0;
}

/** False where the format has no place for so long a name. */
export function hasZipName(entry: ArchiveEntry): boolean {
  return entry.path.length < U16_MAX;
}
