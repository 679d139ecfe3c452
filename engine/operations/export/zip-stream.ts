/**
 * A snapshot as a zip, in one go. Small files have their lengths and CRC-32 in front of them; of larger ones they follow
 * behind. The directory at the end is made by a second walk over the trees, so that memory holds a few numbers of each
 * entry and not its name.
 */

import { pipeline, Readable } from 'node:stream';
import { crc32, createDeflateRaw, deflateRawSync } from 'node:zlib';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { ZIP_WHOLE_BYTES_MAX } from '../../base/limits.ts';
import type { ArchiveEntry } from '../../format/archive-entry.ts';
import {
  encodeZipCentral,
  encodeZipDescriptor,
  encodeZipEnd,
  encodeZipLocal,
  ZIP_METHOD_DEFLATE,
  ZIP_METHOD_STORED,
  type ZipData,
} from '../../format/archive-zip.ts';

/** A deflated file that saves less than one part in this many is stored as it is. */
const WORTH = 32;
const LEVEL = 6;
const PROBE_LEVEL = 1;
const PROBE_BYTES = 64 * 1024;
const NO_BYTES = Buffer.alloc(0);

interface ZipItem {
  readonly entry: ArchiveEntry;
}

export interface ZipStreamOptions<Item extends ZipItem> {
  /** Made twice: for the entries, and for the directory at the end. */
  readonly walk: () => AsyncIterable<Item>;
  /** A file's bytes in order, without holes. */
  readonly content: (item: Item) => AsyncGenerator<Buffer>;
  /** `worth`: files that become shorter by it. */
  readonly deflates: 'never' | 'worth' | 'always';
  readonly onEntry: (item: Item) => void;
  readonly onBytes: (bytes: number) => void;
}

interface WrittenEntry extends ZipData {
  readonly offset: number;
  readonly hasDescriptor: boolean;
}

export class ZipStream<Item extends ZipItem> {
  readonly #options: ZipStreamOptions<Item>;
  /** A few numbers of each entry, in order. */
  readonly #facts = new ByteWriter(4096);
  #written = 0;
  #entries = 0;

  constructor(options: ZipStreamOptions<Item>) {
    this.#options = options;
  }

  /** Pieces are views, not to be changed. */
  async *pieces(): AsyncGenerator<Buffer> {
    for await (const piece of this.#allEntries()) {
      this.#written += piece.length;
      yield piece;
    }
    const offset = this.#written;
    const facts = new ByteReader(this.#facts.finish(), 'what is known of the entries');
    let bytes = 0;
    for await (const { entry } of this.#options.walk()) {
      const written = readFacts(facts);
      const central = encodeZipCentral(entry, written, written);
      bytes += central.length;
      yield central;
    }
    yield encodeZipEnd({ entries: this.#entries, offset, bytes });
  }

  async *#allEntries(): AsyncGenerator<Buffer> {
    for await (const item of this.#options.walk()) {
      this.#options.onEntry(item);
      this.#entries++;
      const offset = this.#written;
      const { entry } = item;
      if (entry.type === 'file' && entry.size > ZIP_WHOLE_BYTES_MAX) yield* this.#largeFile(item, offset);
      else yield* this.#wholeEntry(item, offset);
    }
  }

  async *#wholeEntry(item: Item, offset: number): AsyncGenerator<Buffer> {
    const { entry } = item;
    const plain = entry.type === 'file' ? await this.#whole(item) : (entry.linkTarget ?? NO_BYTES);
    const deflated = entry.type === 'file' ? this.#deflated(plain, LEVEL) : undefined;
    const data: ZipData = {
      method: deflated === undefined ? ZIP_METHOD_STORED : ZIP_METHOD_DEFLATE,
      crc32: crc32(plain),
      compressedBytes: (deflated ?? plain).length,
      bytes: plain.length,
    };
    this.#note({ ...data, offset, hasDescriptor: false });
    yield encodeZipLocal(entry, data.method, data);
    yield deflated ?? plain;
  }

  /** Undefined where it is to be stored as it is. */
  #deflated(plain: Buffer, level: number): Buffer | undefined {
    const { deflates } = this.#options;
    if (deflates === 'never' || plain.length === 0) return undefined;
    const coded = deflateRawSync(plain, { level });
    return deflates === 'always' || coded.length <= plain.length - plain.length / WORTH ? coded : undefined;
  }

  async #whole(item: Item): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for await (const piece of this.#options.content(item)) pieces.push(piece);
    const [only] = pieces;
    const whole = pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces);
    this.#options.onBytes(whole.length);
    return whole;
  }

  async *#largeFile(item: Item, offset: number): AsyncGenerator<Buffer> {
    const { entry } = item;
    const state = { crc: 0, bytes: 0, compressedBytes: 0 };
    const content = this.#counted(this.#options.content(item), state);
    const first = await content.next();
    const probe = (first.done === true ? NO_BYTES : first.value).subarray(0, PROBE_BYTES);
    const deflates = this.#deflated(probe, PROBE_LEVEL) !== undefined;
    const method = deflates ? ZIP_METHOD_DEFLATE : ZIP_METHOD_STORED;
    yield encodeZipLocal(entry, method, undefined);
    const all = startingWith(first, content);
    for await (const piece of deflates ? deflated(all) : all) {
      state.compressedBytes += piece.length;
      yield piece;
    }
    const { crc, bytes, compressedBytes } = state;
    const data: ZipData = { method, crc32: crc, compressedBytes, bytes };
    yield encodeZipDescriptor(entry, data);
    this.#note({ ...data, offset, hasDescriptor: true });
  }

  async *#counted(
    pieces: AsyncIterable<Buffer>,
    state: { crc: number; bytes: number },
  ): AsyncGenerator<Buffer, undefined> {
    for await (const piece of pieces) {
      state.crc = crc32(piece, state.crc);
      state.bytes += piece.length;
      this.#options.onBytes(piece.length);
      yield piece;
    }
    return undefined;
  }

  #note(entry: WrittenEntry): void {
    const facts = this.#facts;
    facts.u8(entry.method * 2 + (entry.hasDescriptor ? 1 : 0));
    facts.u32(entry.crc32);
    facts.varint(entry.compressedBytes);
    facts.varint(entry.bytes);
    facts.varint(entry.offset);
  }
}

function readFacts(facts: ByteReader): WrittenEntry {
  const coded = facts.u8();
  return {
    method: coded >> 1,
    hasDescriptor: (coded & 1) === 1,
    crc32: facts.u32(),
    compressedBytes: facts.varint(),
    bytes: facts.varint(),
    offset: facts.varint(),
  };
}

async function* startingWith(
  first: IteratorResult<Buffer, undefined>,
  rest: AsyncGenerator<Buffer, undefined>,
): AsyncGenerator<Buffer> {
  if (first.done === true) return;
  yield first.value;
  yield* rest;
}

function deflated(pieces: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  const deflate = createDeflateRaw({ level: LEVEL });
  // A failure of the source reaches whoever reads the result.
  return pipeline(Readable.from(pieces, { objectMode: true, highWaterMark: 1 }), deflate, () => undefined);
}
