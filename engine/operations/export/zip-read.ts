/**
 * The bytes of a planned zip, from anywhere to anywhere. All but the CRC-32 of large files follows from the trees: that one
 * is taken from a store, or the file is read for it and the store told. So a download is made in one go, and one that broke
 * off goes on where it did.
 */

import { crc32 } from 'node:zlib';
import { EngineError } from '../../base/errors.ts';
import {
  encodeZipCentral,
  encodeZipDescriptor,
  encodeZipEnd,
  encodeZipLocal,
  ZIP_METHOD_STORED,
  type ZipData,
} from '../../format/archive-zip.ts';
import type { Node } from '../../format/row.ts';
import { isDamage } from '../../repository/batch-reader.ts';
import { contentIdOf } from '../../repository/content-id.ts';
import { type ByteRange, readContent } from '../../repository/content-pieces.ts';
import type { CrcStore } from '../../repository/crc-store.ts';
import type { Repository } from '../../repository/repository.ts';
import { gathered } from './gathered.ts';
import type { ReadZipOptions, ZipPlace, ZipPlan } from './options.ts';
import { type ZipItem, ZipItems } from './zip-items.ts';

/**
 * The bytes of a plan from `start` to before `end`, in order; what comes out belongs to whoever takes it, but for large
 * pieces, which are views. INVALID_ARGUMENT for a range that is none of it; OBJECT_CORRUPT, OBJECT_MISSING and
 * OBJECT_UNREADABLE name the file that cannot be read whole, of which the archive is then cut off; INTERRUPTED after the
 * signal. Whoever takes no more, and returns the generator, ends the reading.
 */
export async function* readZip(
  repository: Repository,
  plan: ZipPlan,
  options: ReadZipOptions = {},
): AsyncGenerator<Buffer> {
  const { start = 0, end = plan.length } = options;
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || start > end || end > plan.length) {
    throw new EngineError(
      'INVALID_ARGUMENT',
      `From ${start} to ${end} is no range of an archive of ${plan.length} bytes`,
    );
  }
  await repository.loadIndex();
  const crcs = options.crcs ?? (await repository.checksums());
  yield* gathered(new ZipReader(repository, plan, { start, end, crcs, signal: options.signal }).pieces());
}

interface ZipRange extends ByteRange {
  readonly crcs: CrcStore;
  readonly signal: AbortSignal | undefined;
}

class ZipReader {
  readonly #repository: Repository;
  readonly #plan: ZipPlan;
  readonly #options: ZipRange;
  readonly #items: ZipItems;

  constructor(repository: Repository, plan: ZipPlan, options: ZipRange) {
    this.#repository = repository;
    this.#plan = plan;
    this.#options = options;
    this.#items = new ZipItems({ ...plan, repository, onLeftOut: () => undefined, signal: options.signal });
  }

  async *pieces(): AsyncGenerator<Buffer> {
    const { directory } = this.#plan;
    yield* this.#entries();
    yield* this.#directory();
    yield* this.#cut(encodeZipEnd(directory), directory.offset + directory.bytes);
  }

  /** What of some bytes at an offset of the archive is wanted. */
  *#cut(bytes: Buffer, offset: number): Generator<Buffer> {
    const { start, end } = this.#options;
    const part = bytes.subarray(Math.max(0, start - offset), Math.max(0, end - offset));
    if (part.length > 0) yield part;
  }

  #touches(start: number, end: number): boolean {
    return start < this.#options.end && end > this.#options.start && start < end;
  }

  /** The last place that is known whose bytes begin at `start` or before it. */
  #placeBefore(offsetOf: (place: ZipPlace) => number): ZipPlace {
    const { places } = this.#plan;
    const place = places.findLast((one) => offsetOf(one) <= this.#options.start) ?? places[0];
    if (place === undefined) throw new EngineError('INTERNAL', 'A plan of a zip has no place to begin at');
    return place;
  }

  async *#entries(): AsyncGenerator<Buffer> {
    const { start, end } = this.#options;
    if (start >= this.#plan.directory.offset) return;
    for await (const item of this.#items.from(this.#placeBefore(({ offset }) => offset))) {
      if (item.offset >= end) return;
      if (item.next.offset > start) yield* this.#entry(item);
    }
  }

  async *#entry(item: ZipItem): AsyncGenerator<Buffer> {
    const { entry, bytes, offset, hasDescriptor } = item;
    const dataOffset = offset + bytes.local;
    const behind = dataOffset + bytes.data;
    if (this.#touches(offset, dataOffset)) {
      const data = hasDescriptor ? undefined : await this.#dataOf(item);
      yield* this.#cut(encodeZipLocal(entry, ZIP_METHOD_STORED, data), offset);
    }
    if (this.#touches(dataOffset, behind)) yield* this.#data(item, dataOffset);
    if (hasDescriptor && this.#touches(behind, item.next.offset)) {
      yield* this.#cut(encodeZipDescriptor(entry, await this.#dataOf(item)), behind);
    }
  }

  async *#data(item: ZipItem, offset: number): AsyncGenerator<Buffer> {
    const { entry, source, bytes } = item;
    if (Buffer.isBuffer(source)) yield* this.#cut(source, offset);
    else if (entry.linkTarget !== undefined) yield* this.#cut(entry.linkTarget, offset);
    else {
      const { start, end } = this.#options;
      const range = { start: Math.max(0, start - offset), end: Math.min(bytes.data, end - offset) };
      yield* this.#content(item, source, range);
    }
  }

  /** A part of a file. Whatever of it is read anyway counts for the sum that comes behind it. */
  async *#content(item: ZipItem, node: Node, range: ByteRange): AsyncGenerator<Buffer> {
    const behind = item.next.offset - item.bytes.descriptor;
    const needsSum = item.hasDescriptor && this.#touches(behind, item.next.offset) && this.#known(node) === undefined;
    let sum: number | undefined;
    if (range.start === 0 && range.end === node.size) sum = 0;
    else if (needsSum) sum = await this.#sumOf(item, node, { start: 0, end: range.start });
    for await (const piece of this.#read(item, node, range)) {
      if (sum !== undefined) sum = crc32(piece, sum);
      yield piece;
    }
    if (sum !== undefined && range.end === node.size) this.#learn(item, node, sum);
  }

  /** A file's bytes; damage is named by the file's path. */
  async *#read(item: ZipItem, node: Node, range: ByteRange): AsyncGenerator<Buffer> {
    const { signal } = this.#options;
    try {
      yield* readContent(this.#repository.blobs, node, { range, signal });
    } catch (error) {
      if (!isDamage(error)) throw error;
      const path = item.path.toString('utf8');
      throw new EngineError(error.code, `${path} cannot be read from the repository: ${error.message}`, error);
    }
  }

  async #sumOf(item: ZipItem, node: Node, range: ByteRange): Promise<number> {
    let sum = 0;
    for await (const piece of this.#read(item, node, range)) sum = crc32(piece, sum);
    return sum;
  }

  /** The CRC-32 of a file, if it is known without reading it. */
  #known(node: Node): number | undefined {
    if (node.size === 0) return 0;
    return node.crc32 ?? this.#options.crcs.find(contentIdOf(this.#repository.keys, node));
  }

  /** The CRC-32 of a file that was just read. OBJECT_CORRUPT where its row says another one. */
  #learn(item: ZipItem, node: Node, sum: number): void {
    if (node.crc32 === undefined) {
      if (node.size > 0) this.#options.crcs.remember(contentIdOf(this.#repository.keys, node), sum);
    } else if (node.crc32 !== sum) {
      const path = item.path.toString('utf8');
      throw new EngineError('OBJECT_CORRUPT', `${path} has another CRC-32 than its row in the snapshot says`);
    }
  }

  /** What headers say of an entry's data. */
  async #dataOf(item: ZipItem): Promise<ZipData> {
    const { data } = item.bytes;
    return { method: ZIP_METHOD_STORED, crc32: await this.#crcOf(item), compressedBytes: data, bytes: data };
  }

  async #crcOf(item: ZipItem): Promise<number> {
    const { entry, source } = item;
    if (Buffer.isBuffer(source)) return crc32(source);
    if (entry.linkTarget !== undefined) return crc32(entry.linkTarget);
    if (entry.type !== 'file') return 0;
    const known = this.#known(source);
    if (known !== undefined) return known;
    const sum = await this.#sumOf(item, source, { start: 0, end: source.size });
    this.#learn(item, source, sum);
    return sum;
  }

  async *#directory(): AsyncGenerator<Buffer> {
    const { start, end } = this.#options;
    const { offset: first, bytes: length } = this.#plan.directory;
    if (!this.#touches(first, first + length)) return;
    for await (const item of this.#items.from(this.#placeBefore(({ centralOffset }) => first + centralOffset))) {
      const offset = first + item.centralOffset;
      if (offset >= end) return;
      if (offset + item.bytes.central <= start) continue;
      yield* this.#cut(encodeZipCentral(item.entry, await this.#dataOf(item), item), offset);
    }
  }
}
