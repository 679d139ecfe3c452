/** Reads a zip by the directory at its end. */

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { EngineError, errorMessage } from '../../base/errors.ts';
import { KIB, MIB, ZIP_LINK_BYTES_MAX, ZIP_WHOLE_BYTES_MAX } from '../../base/limits.ts';
import { ZIP_FLAG_ENCRYPTED, ZIP_METHOD_DEFLATE, ZIP_METHOD_STORED } from '../../format/archive-zip.ts';
import {
  decodeZip64End,
  decodeZip64Locator,
  decodeZipCentral,
  decodeZipEnd,
  findZipEnd,
  ZIP_CENTRAL_BYTES,
  ZIP_END_BYTES,
  ZIP_END_BYTES_MAX,
  ZIP_LOCAL_BYTES,
  ZIP64_END_BYTES,
  ZIP64_LOCATOR_BYTES,
  type ZipCentral,
  type ZipEnd,
  zipCentralRest,
  zipLocalRest,
} from '../../format/archive-zip-reader.ts';
import type { ReadItem } from './archive-item.ts';
import type { Expansion } from './expansion.ts';

const READ_BYTES = 256 * KIB;
const ENTRY_BYTES_LEAST = ZIP_CENTRAL_BYTES + ZIP_LOCAL_BYTES;

function invalid(why: string): never {
  throw new EngineError('ARCHIVE_INVALID', `The zip is damaged: ${why}`);
}

/** A file that is read at any place. */
export class ArchiveFile {
  readonly #fd: number;
  readonly bytes: number;

  /** INVALID_ARGUMENT where it cannot be read. */
  constructor(path: Buffer) {
    try {
      this.#fd = openSync(path, 'r');
      this.bytes = fstatSync(this.#fd).size;
    } catch (error) {
      const why = errorMessage(error);
      throw new EngineError('INVALID_ARGUMENT', `The archive ${path.toString('utf8')} cannot be read: ${why}`, error);
    }
  }

  /** Up to `length` bytes. */
  #readSome(offset: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafeSlow(length);
    let filled = 0;
    try {
      while (filled < length) {
        const count = readSync(this.#fd, bytes, filled, length - filled, offset + filled);
        if (count === 0) break;
        filled += count;
      }
    } catch (error) {
      throw new EngineError('ARCHIVE_INVALID', `The archive cannot be read: ${errorMessage(error)}`, error);
    }
    return bytes.subarray(0, filled);
  }

  /** Exactly so many bytes. ARCHIVE_INVALID where the file has fewer. */
  read(offset: number, length: number): Buffer {
    if (offset < 0 || offset + length > this.bytes) invalid('it was cut off, or names a place that is not in it');
    const bytes = this.#readSome(offset, length);
    return bytes.length === length ? bytes : invalid('it became shorter while it was read');
  }

  async *pieces(offset: number, length: number): AsyncGenerator<Buffer> {
    for (let at = 0; at < length; at += READ_BYTES) yield this.read(offset + at, Math.min(READ_BYTES, length - at));
  }

  /** From the beginning, also of what has no length, such as a pipe. */
  async *stream(): AsyncGenerator<Buffer> {
    const isRegular = fstatSync(this.#fd).isFile();
    for (let at = 0; ; ) {
      const piece = isRegular ? this.#readSome(at, MIB) : this.#readNext();
      if (piece.length === 0) return;
      at += piece.length;
      yield piece;
    }
  }

  #readNext(): Buffer {
    const bytes = Buffer.allocUnsafeSlow(READ_BYTES);
    return bytes.subarray(0, readSync(this.#fd, bytes));
  }

  close(): void {
    closeSync(this.#fd);
  }
}

export class ZipReader {
  readonly #file: ArchiveFile;
  readonly #expansion: Expansion;
  readonly #owner: { readonly uid: number; readonly gid: number };

  constructor(file: ArchiveFile, expansion: Expansion, owner: { readonly uid: number; readonly gid: number }) {
    this.#file = file;
    this.#expansion = expansion;
    this.#owner = owner;
  }

  #end(): ZipEnd & { readonly base: number; readonly at: number } {
    const tailBytes = Math.min(this.#file.bytes, ZIP_END_BYTES_MAX);
    const tail = this.#file.read(this.#file.bytes - tailBytes, tailBytes);
    const found = findZipEnd(tail);
    if (found < 0) invalid('its directory is missing: it was cut off');
    const at = this.#file.bytes - tailBytes + found;
    const small = decodeZipEnd(tail.subarray(found, found + ZIP_END_BYTES));
    let end: ZipEnd = small;
    let directoryEnd = at;
    if (at >= ZIP64_LOCATOR_BYTES) {
      const locator = decodeZip64Locator(this.#file.read(at - ZIP64_LOCATOR_BYTES, ZIP64_LOCATOR_BYTES));
      if (locator !== undefined) {
        // What stands in front of an archive moves its records: they lie in front of the locator in any case.
        directoryEnd = at - ZIP64_LOCATOR_BYTES - ZIP64_END_BYTES;
        end = decodeZip64End(this.#file.read(directoryEnd, ZIP64_END_BYTES));
      } else if (small.isZip64 && small.bytes > at) invalid('its zip64 end is missing');
    }
    const base = directoryEnd - end.bytes - end.offset;
    if (base < 0) invalid('its directory does not lie where its end says');
    if (end.entries * ENTRY_BYTES_LEAST > this.#file.bytes) invalid('it has no room for its entries');
    return { ...end, base, at: directoryEnd };
  }

  /** True where the bytes stand somewhere in the directory: a name may be in it, and else is not. */
  mayName(name: Buffer): boolean {
    const end = this.#end();
    const start = end.base + end.offset;
    for (let at = start; at < end.at; at += READ_BYTES) {
      const piece = this.#file.read(at, Math.min(READ_BYTES + name.length, end.at - at));
      if (piece.includes(name)) return true;
    }
    return false;
  }

  /** In the directory's order. Entries that share bytes, as in bombs, make an archive invalid. */
  async *items(): AsyncGenerator<ReadItem> {
    const end = this.#end();
    let used = 0;
    let at = end.base + end.offset;
    for (let number = 0; number < end.entries; number++) {
      if (at + ZIP_CENTRAL_BYTES > end.at) invalid('an entry of its directory is missing');
      const rest = zipCentralRest(this.#file.read(at, ZIP_CENTRAL_BYTES));
      const record = this.#file.read(at, ZIP_CENTRAL_BYTES + rest);
      at += record.length;
      const central = decodeZipCentral(record, this.#owner, (bytes) => crc32(bytes));
      used += ZIP_LOCAL_BYTES + central.rawName.length + central.compressedBytes;
      if (used > end.base + end.offset) invalid('its entries overlap');
      yield await this.#item(central, end);
    }
    if (at !== end.at) invalid('its directory is longer than its entries');
  }

  async #item(central: ZipCentral, end: { readonly base: number; readonly offset: number }): Promise<ReadItem> {
    const { entry, method, flags } = central;
    const name = entry.path.toString('utf8');
    if ((flags & ZIP_FLAG_ENCRYPTED) !== 0) throw new EngineError('ARCHIVE_INVALID', `${name} in the zip is encrypted`);
    if (method !== ZIP_METHOD_STORED && method !== ZIP_METHOD_DEFLATE) {
      throw new EngineError(
        'ARCHIVE_INVALID',
        `${name} in the zip is compressed by a method (${method}) that is not known here`,
      );
    }
    const content = (): AsyncIterable<Buffer> => this.#content(central, end);
    if (entry.type === 'dev')
      return { path: entry.path, code: 'TYPE_UNKNOWN', why: 'a zip cannot say which device it is' };
    if (entry.type !== 'symlink') return { entry, content, storedBytes: central.compressedBytes };
    if (central.bytes > ZIP_LINK_BYTES_MAX)
      return { path: entry.path, code: 'LINK_TOO_LONG', why: 'the target of a link is longer than any' };
    const target: Buffer[] = [];
    for await (const piece of content()) target.push(piece);
    return { entry: { ...entry, linkTarget: Buffer.concat(target) }, content, storedBytes: central.compressedBytes };
  }

  async *#content(
    central: ZipCentral,
    end: { readonly base: number; readonly offset: number },
  ): AsyncGenerator<Buffer> {
    const name = central.entry.path.toString('utf8');
    const start = end.base + central.offset;
    const { nameBytes, extraBytes } = zipLocalRest(this.#file.read(start, ZIP_LOCAL_BYTES));
    const inFront = this.#file.read(start + ZIP_LOCAL_BYTES, nameBytes);
    if (!inFront.equals(central.rawName)) invalid(`${name} has another name in front of its data`);
    const dataAt = start + ZIP_LOCAL_BYTES + nameBytes + extraBytes;
    if (dataAt + central.compressedBytes > end.base + end.offset)
      invalid(`the data of ${name} reaches into the directory`);
    let bytes = 0;
    let sum = 0;
    for await (const piece of this.#plain(central, dataAt)) {
      bytes += piece.length;
      if (bytes > central.bytes) invalid(`${name} is longer than its directory says`);
      sum = crc32(piece, sum);
      yield piece;
    }
    if (bytes !== central.bytes) invalid(`${name} is shorter than its directory says`);
    if (sum !== central.crc32) invalid(`the checksum of ${name} does not fit its data`);
  }

  async *#plain({ method, compressedBytes, bytes }: ZipCentral, dataAt: number): AsyncGenerator<Buffer> {
    const raw = this.#file.pieces(dataAt, compressedBytes);
    if (method === ZIP_METHOD_STORED) yield* raw;
    else if (Math.max(compressedBytes, bytes) > ZIP_WHOLE_BYTES_MAX) yield* this.#expansion.inflate(raw);
    else yield this.#expansion.inflateWhole(this.#file.read(dataAt, compressedBytes), bytes);
  }
}
