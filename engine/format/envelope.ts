/** The outer bytes of sealed files: the 24-byte prologue, the body's framing, and the pack's trailer. FORMAT.md shows them. */

import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { EngineError } from '../base/errors.ts';

export const SEALED_KINDS = { pack: 1, index: 2, snapshot: 3, annotation: 4, mark: 5, lock: 6 } as const;
export type SealedKind = keyof typeof SEALED_KINDS;

export const FORMAT_VERSION = 1;
export const SALT_BYTES = 16;
export const PROLOGUE_BYTES = 24;
export const BODY_PAD_UNIT = 256;
/** Parts of the nonce. */
export const PART_BODY = 0;
export const PART_HEADER = 1;
export const PART_TRAILER = 2;

export const CODEC_RAW = 0;
export const CODEC_ZSTD = 1;
export type Codec = typeof CODEC_RAW | typeof CODEC_ZSTD;

const MAGIC = Buffer.from('SNAP', 'latin1');

export function encodePrologue(kind: SealedKind, salt: Buffer): Buffer {
  const bytes = Buffer.alloc(PROLOGUE_BYTES);
  MAGIC.copy(bytes, 0);
  bytes[4] = SEALED_KINDS[kind];
  bytes[5] = FORMAT_VERSION;
  salt.copy(bytes, 8);
  return bytes;
}

/** The salt; OBJECT_CORRUPT for other bytes, REPOSITORY_UNSUPPORTED for a newer version. */
export function decodePrologue(bytes: Buffer, kind: SealedKind, what: string): Buffer {
  if (bytes.length < PROLOGUE_BYTES || bytes.compare(MAGIC, 0, 4, 0, 4) !== 0) {
    throw new EngineError('OBJECT_CORRUPT', `Cannot open ${what}: it does not begin like a file of a snap repository`);
  }
  if (bytes[4] !== SEALED_KINDS[kind]) {
    throw new EngineError('OBJECT_CORRUPT', `Cannot open ${what}: it says that it is of kind ${bytes[4]}`);
  }
  if (bytes[5] !== FORMAT_VERSION || bytes[6] !== 0 || bytes[7] !== 0) {
    throw new EngineError('OBJECT_CORRUPT', `Cannot open ${what}: it says that it is of format version ${bytes[5]}`);
  }
  return Buffer.from(bytes.subarray(8, PROLOGUE_BYTES));
}

/** Associated data that binds a seal to repository, kind and file. */
export function associatedData(repositoryId: string, kind: SealedKind, salt: Buffer): Buffer {
  return Buffer.concat([Buffer.from(repositoryId, 'hex'), Buffer.from([SEALED_KINDS[kind]]), salt]);
}

export function sealInfo(kind: SealedKind): string {
  return `snap 1 seal ${SEALED_KINDS[kind]}`;
}

export interface Body {
  readonly codec: Codec;
  readonly recordLength: number;
  readonly coded: Buffer;
}

const BODY_HEADER_BYTES = 9;

export function encodeBody(body: Body, paddedLength: (length: number) => number): Buffer {
  const length = BODY_HEADER_BYTES + body.coded.length;
  const bytes = Buffer.alloc(paddedLength(length));
  bytes[0] = body.codec;
  bytes.writeUInt32LE(body.recordLength, 1);
  bytes.writeUInt32LE(body.coded.length, 5);
  body.coded.copy(bytes, BODY_HEADER_BYTES);
  return bytes;
}

export function decodeBody(bytes: Buffer, what: string): Body {
  const reader = new ByteReader(bytes, what);
  const codec = decodeCodec(reader);
  const recordLength = reader.u32();
  const coded = reader.raw(reader.u32());
  return { codec, recordLength, coded };
}

export function decodeCodec(reader: ByteReader): Codec {
  const codec = reader.u8();
  if (codec !== CODEC_RAW && codec !== CODEC_ZSTD) reader.fail(`codec ${codec} is unknown`);
  return codec;
}

export interface PackTrailer {
  readonly headerOffset: number;
  readonly headerLength: number;
  readonly packLength: number;
}

export const TRAILER_RECORD_BYTES = 24;
export const SEAL_TAG_BYTES = 16;
export const TRAILER_BYTES = TRAILER_RECORD_BYTES + SEAL_TAG_BYTES;

export function encodeTrailer(trailer: PackTrailer): Buffer {
  const writer = new ByteWriter(TRAILER_RECORD_BYTES);
  writer.u64(trailer.headerOffset);
  writer.u64(trailer.headerLength);
  writer.u64(trailer.packLength);
  return writer.finish();
}

export function decodeTrailer(bytes: Buffer, what: string): PackTrailer {
  const reader = new ByteReader(bytes, what);
  const trailer = { headerOffset: reader.u64(), headerLength: reader.u64(), packLength: reader.u64() };
  reader.end();
  if (trailer.headerOffset + trailer.headerLength + TRAILER_BYTES !== trailer.packLength) {
    reader.fail('its offsets do not add up');
  }
  return trailer;
}
