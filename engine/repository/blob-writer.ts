/**
 * Collects blobs into frames and frames into packs. Every frame is opened again and compared with what went in before
 * any of it is written (trap 16). A pack goes to the store piece by piece where that takes pieces; it has no name before
 * its header was compared, too, and is durable when its promise settles.
 */

import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { EngineError } from '../base/errors.ts';
import type { BlobId, PackId } from '../base/ids.ts';
import {
  FRAME_ALONE_BYTES_MIN,
  FRAME_BYTES_MAX,
  FRAME_BYTES_TARGET,
  FRAME_TREE_BYTES_TARGET,
  KIB,
  MIB,
  PACK_BLOBS_MAX,
  PACK_BYTES_TARGET,
  PACK_FRAMES_MAX,
  PACK_PIECES_MAX,
  PACKS_IN_FLIGHT_MAX,
} from '../base/limits.ts';
import { type Compressor, decompress } from '../codec/compression.ts';
import { paddedLength } from '../codec/padding.ts';
import type { Sealer } from '../codec/seal.ts';
import {
  CODEC_RAW,
  CODEC_ZSTD,
  decodeTrailer,
  encodePrologue,
  encodeTrailer,
  PART_BODY,
  PART_HEADER,
  PART_TRAILER,
  type PackTrailer,
  PROLOGUE_BYTES,
  SALT_BYTES,
  SEAL_TAG_BYTES,
  TRAILER_BYTES,
} from '../format/envelope.ts';
import {
  type BlobKind,
  type BlobList,
  encodePackHeader,
  type FrameEntry,
  readPackHeader,
} from '../format/pack-header.ts';
import type { FileWriter } from '../storage/backend.ts';
import { PackedBlobs } from './packed-blobs.ts';
import type { Store } from './sealed-files.ts';

/** A pack that is durable: what an index segment needs of it. */
export interface StoredPack {
  readonly packId: PackId;
  readonly packLength: number;
  readonly headerRecord: Buffer;
  /** Number of this pack among those of its writer, from 0. */
  readonly sequence: number;
}

export interface BlobWriterOptions {
  readonly kind: BlobKind;
  readonly compressor: Compressor;
  /** Called once for each pack when it is durable. */
  readonly onStored: (pack: StoredPack) => void;
}

/** A frame that was read from another pack, opened and hashed. */
export interface OpenedFrame {
  readonly plain: Buffer;
  /** What it was compressed to, where it was. */
  readonly compressed: Buffer | undefined;
  /** Of its blobs, back to back. */
  readonly ids: Buffer;
  readonly lengths: ArrayLike<number>;
}

const PACK_PAD_UNIT = 4096;

/** Packs are put together in pieces of memory that are used again, and written as soon as they are full. */
const PIECE_BYTES = 4 * MIB + 64 * KIB;

/** The same for a store that takes whole packs only: a pack that is being written, and half of the next. */
const PIECES_WHOLE_MAX = Math.ceil((1.5 * PACK_BYTES_TARGET) / PIECE_BYTES);

interface Piece {
  readonly memory: Buffer;
  filled: number;
}

interface OpenPack {
  readonly packId: PackId;
  readonly sealer: Sealer;
  /** Prologue and frames, as they will be written, as far as nobody writes them yet. */
  readonly pieces: Piece[];
  /** Where the pieces before those go. It settles when they are written. */
  file: Promise<FileWriter> | undefined;
  readonly frames: FrameEntry[];
  bytes: number;
  blobs: number;
}

function unlike(what: string): EngineError {
  return new EngineError('INTERNAL', `Sealing ${what} did not give back what went in; its pack was given up`);
}

function written(pieces: readonly Piece[]): Buffer[] {
  return pieces.map(({ memory, filled }) => memory.subarray(0, filled));
}

export class BlobWriter {
  readonly #store: Store;
  readonly #options: BlobWriterOptions;
  readonly #frame = Buffer.allocUnsafeSlow(FRAME_BYTES_TARGET + FRAME_ALONE_BYTES_MIN);
  readonly #frameTarget: number;
  #frameLength = 0;
  readonly #frameIds = new ByteWriter(16 * KIB);
  #frameLengths: number[] = [];
  #pack: OpenPack | undefined;
  #sequence = 0;
  readonly #inFlight = new Set<Promise<void>>();
  #packsInFlight = 0;
  /** Memory of packs that are written: taken again by the next ones, and touched by nobody else. */
  readonly #spare: Buffer[] = [];
  #piecesInUse = 0;
  readonly #opened = Buffer.allocUnsafeSlow(2 * FRAME_BYTES_MAX);
  readonly #inflated = Buffer.allocUnsafeSlow(FRAME_BYTES_MAX);
  readonly #piecesMax: number;
  #failure: unknown;

  constructor(store: Store, options: BlobWriterOptions) {
    this.#store = store;
    this.#options = options;
    this.#frameTarget = options.kind === 'tree' ? FRAME_TREE_BYTES_TARGET : FRAME_BYTES_TARGET;
    this.#piecesMax = store.backend.begin === undefined ? PIECES_WHOLE_MAX : PACK_PIECES_MAX;
  }

  /** Number of the pack that the next blob goes to; all before it are finished or under way. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Adds a blob; the bytes are copied or sealed before this returns. */
  add(blobId: BlobId, bytes: Buffer): void {
    this.#sealing(() => this.#add(blobId, bytes));
  }

  /** Adds a frame as it is; nothing of it is compressed anew. It is sealed before this returns. */
  addFrame({ plain, compressed, ids, lengths }: OpenedFrame): void {
    this.#sealing(() => this.#sealFrame(plain, new PackedBlobs(Buffer.from(ids), lengths), compressed));
  }

  /** What could not be sealed must not come to lie in a pack, nor anything behind it. */
  #sealing(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#failure ??= error;
      throw error;
    }
  }

  #add(blobId: BlobId, bytes: Buffer): void {
    if (bytes.length >= FRAME_ALONE_BYTES_MIN) {
      const compressed = this.#options.compressor.compress(bytes);
      this.#sealFrame(bytes, new PackedBlobs(Buffer.from(blobId), [bytes.length]), compressed);
      return;
    }
    this.#frame.set(bytes, this.#frameLength);
    this.#frameLength += bytes.length;
    this.#frameIds.raw(blobId);
    this.#frameLengths.push(bytes.length);
    if (this.#frameLength >= this.#frameTarget) this.#flushFrame();
  }

  #flushFrame(): void {
    if (this.#frameLengths.length === 0) return;
    const blobs = new PackedBlobs(this.#frameIds.finish(), this.#frameLengths);
    const bytes = this.#frame.subarray(0, this.#frameLength);
    this.#frameIds.reset();
    this.#frameLengths = [];
    this.#frameLength = 0;
    this.#sealFrame(bytes, blobs, this.#options.compressor.compress(bytes));
  }

  #openPack(): OpenPack {
    if (this.#pack !== undefined) return this.#pack;
    const salt = randomBytes(SALT_BYTES);
    this.#pack = {
      packId: salt.toString('hex') as PackId,
      sealer: this.#store.keys.sealer('pack', salt),
      pieces: [],
      file: undefined,
      frames: [],
      bytes: PROLOGUE_BYTES,
      blobs: 0,
    };
    encodePrologue('pack', salt).copy(this.#room(this.#pack, PROLOGUE_BYTES));
    return this.#pack;
  }

  /** The next `bytes` of a pack's memory. */
  #room(pack: OpenPack, bytes: number): Buffer {
    let piece = pack.pieces.at(-1);
    if (piece === undefined || piece.memory.length - piece.filled < bytes) {
      this.#writePieces(pack);
      const memory = bytes > PIECE_BYTES ? undefined : this.#spare.pop();
      piece = { memory: memory ?? Buffer.allocUnsafeSlow(Math.max(bytes, PIECE_BYTES)), filled: 0 };
      pack.pieces.push(piece);
      this.#piecesInUse++;
    }
    piece.filled += bytes;
    return piece.memory.subarray(piece.filled - bytes, piece.filled);
  }

  /** Keeps memory of ordinary size for the next pieces. */
  #giveBack(pieces: readonly Piece[]): void {
    this.#piecesInUse -= pieces.length;
    for (const { memory } of pieces) {
      if (memory.length === PIECE_BYTES && this.#spare.length < this.#piecesMax) this.#spare.push(memory);
    }
  }

  /** Begins to write the pieces that are full, where the store takes pieces. */
  #writePieces(pack: OpenPack): void {
    const { backend } = this.#store;
    if (backend.begin === undefined || pack.pieces.length === 0) return;
    const pieces = pack.pieces.splice(0);
    const begun = pack.file ?? backend.begin('pack', pack.packId);
    pack.file = begun.then(async (file) => {
      await file.append(written(pieces));
      return file;
    });
    this.#track(pack.file, pieces);
  }

  /** Notes what is being written, and gives the memory back when it is. */
  #track(writing: Promise<unknown>, pieces: readonly Piece[]): void {
    const tracked = writing.then(
      () => {
        this.#inFlight.delete(tracked);
        this.#giveBack(pieces);
      },
      (error: unknown) => {
        this.#inFlight.delete(tracked);
        this.#piecesInUse -= pieces.length;
        this.#failure ??= error;
      },
    );
    this.#inFlight.add(tracked);
  }

  #sealFrame(plain: Buffer, blobs: BlobList, compressed: Buffer | undefined): void {
    const pack = this.#openPack();
    const coded = compressed ?? plain;
    const alone = blobs.length === 1 && plain.length >= FRAME_ALONE_BYTES_MIN;
    const padding = alone ? paddedLength(coded.length) - coded.length : 0;
    const number = { part: PART_BODY, counter: pack.frames.length };
    const pieces = padding === 0 ? [coded] : [coded, Buffer.alloc(padding)];
    const sealedLength = coded.length + padding + SEAL_TAG_BYTES;
    const sealed = this.#room(pack, sealedLength);
    pack.sealer.sealInto(number, pieces, sealed);
    this.#verifyFrame(pack, sealed, { plain, coded: coded.length, compressed: compressed !== undefined });
    pack.bytes += sealedLength;
    pack.blobs += blobs.length;
    pack.frames.push({
      codec: compressed === undefined ? CODEC_RAW : CODEC_ZSTD,
      sealedLength,
      codedLength: coded.length,
      blobs,
    });
    if (
      pack.bytes >= PACK_BYTES_TARGET ||
      pack.frames.length >= PACK_FRAMES_MAX ||
      pack.blobs >= PACK_BLOBS_MAX - FRAME_BYTES_TARGET
    ) {
      this.#finishPack();
    }
  }

  #verifyFrame(
    pack: OpenPack,
    sealed: Buffer,
    expected: { readonly plain: Buffer; readonly coded: number; readonly compressed: boolean },
  ): void {
    const opened = pack.sealer.openInto({ part: PART_BODY, counter: pack.frames.length }, sealed, this.#opened);
    const coded = opened.subarray(0, expected.coded);
    const plain = expected.compressed ? decompress(coded, expected.plain.length, this.#inflated) : coded;
    if (!plain.equals(expected.plain)) throw unlike(`frame ${pack.frames.length}`);
  }

  #finishPack(): void {
    const pack = this.#pack;
    if (pack === undefined) return;
    const headerRecord = encodePackHeader({ kind: this.#options.kind, frames: pack.frames });
    const headerOffset = pack.bytes;
    const least = headerOffset + headerRecord.length + SEAL_TAG_BYTES + TRAILER_BYTES;
    const packLength = paddedLength(least, PACK_PAD_UNIT);
    const padding = Buffer.alloc(packLength - least);
    const header = pack.sealer.seal({ part: PART_HEADER, counter: 0 }, [headerRecord, padding]);
    const headerLength = packLength - headerOffset - TRAILER_BYTES;
    const trailer = pack.sealer.seal({ part: PART_TRAILER, counter: 0 }, [
      encodeTrailer({ headerOffset, headerLength, packLength }),
    ]);
    this.#verifyHeader(pack, {
      header,
      trailer,
      headerRecord,
      trailerRecord: { headerOffset, headerLength, packLength },
    });
    this.#pack = undefined;
    const sequence = this.#sequence++;
    const stored = { packId: pack.packId, packLength, headerRecord, sequence };
    const parts = [...written(pack.pieces), ...header, ...trailer];
    const file = pack.file?.then(async (writer) => {
      await writer.append(parts);
      return writer;
    });
    // Its memory is free as soon as the bytes were taken; that they are durable takes longer.
    if (file !== undefined) this.#track(file, pack.pieces);
    const finish = async (): Promise<void> => {
      if (file === undefined) await this.#store.backend.write('pack', pack.packId, parts);
      else await (await file).finish();
      this.#options.onStored(stored);
    };
    this.#packsInFlight++;
    const finished = finish().finally(() => {
      this.#packsInFlight--;
    });
    this.#track(finished, file === undefined ? pack.pieces : []);
  }

  /** Opens header and trailer as a reader would, before they are written. */
  #verifyHeader(
    pack: OpenPack,
    sealed: {
      readonly header: readonly Buffer[];
      readonly trailer: readonly Buffer[];
      readonly headerRecord: Buffer;
      readonly trailerRecord: PackTrailer;
    },
  ): void {
    const header = pack.sealer.open({ part: PART_HEADER, counter: 0 }, Buffer.concat(sealed.header));
    const trailer = pack.sealer.open({ part: PART_TRAILER, counter: 0 }, Buffer.concat(sealed.trailer));
    const reader = new ByteReader(header, 'a pack header that is about to be written');
    const table = readPackHeader(reader);
    const found = decodeTrailer(trailer, 'a pack trailer that is about to be written');
    const { trailerRecord } = sealed;
    const same =
      header.subarray(0, reader.offset).equals(sealed.headerRecord) &&
      table.frameCount === pack.frames.length &&
      table.blobCount === pack.blobs &&
      found.headerOffset === trailerRecord.headerOffset &&
      found.headerLength === trailerRecord.headerLength &&
      found.packLength === trailerRecord.packLength;
    if (!same) throw unlike('a pack header');
  }

  /** True where settle() would wait. */
  get crowded(): boolean {
    if (this.#packsInFlight >= PACKS_IN_FLIGHT_MAX) return true;
    return this.#inFlight.size > 0 && this.#piecesInUse >= this.#piecesMax;
  }

  /** To be awaited between tasks: bounds what is in memory, and throws what a write threw. */
  async settle(): Promise<void> {
    // A write is a row of short calls, and each begins only when the thread pauses.
    if (this.#inFlight.size > 0) await nextTurn();
    while (this.crowded) await Promise.race(this.#inFlight);
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #written(): Promise<void> {
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight);
  }

  /** Waits until nothing is being written any more, and gives up what is not finished. Never throws. The end of a writer. */
  async idle(): Promise<void> {
    await this.#written();
    const file = this.#pack?.file;
    this.#pack = undefined;
    this.#failure ??= new EngineError('INTERNAL', 'A writer was used after its end');
    await file?.then(
      (writer) => writer.abandon(),
      () => undefined,
    );
  }

  /** Finishes frame and pack and waits until all is durable. The writer can be used further, unless this throws. */
  async flush(): Promise<void> {
    if (this.#failure === undefined) {
      this.#sealing(() => {
        this.#flushFrame();
        this.#finishPack();
      });
    }
    await this.#written();
    if (this.#failure !== undefined) throw this.#failure;
  }
}
