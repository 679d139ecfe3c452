/** The pack's table of contents, and index segments, which gather those. FORMAT.md shows the bytes. */

import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { BLOB_ID_BYTES, type BlobId, blobIdAt, PACK_ID_BYTES, type PackId } from '../base/ids.ts';
import {
  FRAME_BYTES_MAX,
  INDEX_SEGMENT_PACKS_MAX,
  PACK_BLOBS_MAX,
  PACK_BYTES_MAX,
  PACK_FRAMES_MAX,
} from '../base/limits.ts';
import { type Codec, decodeCodec, PROLOGUE_BYTES, SEAL_TAG_BYTES } from './envelope.ts';

export const BLOB_KINDS = { data: 1, tree: 2 } as const;
export type BlobKind = keyof typeof BLOB_KINDS;

const RECORD_VERSION = 1;

export interface FrameEntry {
  readonly codec: Codec;
  /** Bytes in the pack, padding and tag included. */
  readonly sealedLength: number;
  /** Bytes before padding. */
  readonly codedLength: number;
  readonly blobs: BlobList;
}

/** An array, or whatever takes less memory than one. */
export interface BlobList extends Iterable<BlobEntry> {
  readonly length: number;
}

export interface BlobEntry {
  readonly blobId: BlobId;
  readonly length: number;
}

export interface PackHeader {
  readonly kind: BlobKind;
  readonly frames: readonly FrameEntry[];
}

export function encodePackHeader(header: PackHeader): Buffer {
  const writer = new ByteWriter(1024);
  writer.u8(RECORD_VERSION);
  writer.u8(BLOB_KINDS[header.kind]);
  writer.varint(header.frames.length);
  for (const frame of header.frames) {
    writer.u8(frame.codec);
    writer.varint(frame.sealedLength);
    writer.varint(frame.codedLength);
    writer.varint(frame.blobs.length);
  }
  for (const frame of header.frames) for (const blob of frame.blobs) writer.varint(blob.length);
  for (const frame of header.frames) for (const blob of frame.blobs) writer.raw(blob.blobId);
  return writer.finish();
}

/** A decoded header with its offsets, in columns: packs hold tens of thousands of blobs. */
export interface PackTable {
  readonly kind: BlobKind;
  readonly frameCount: number;
  /** For each frame: offset in the pack. */
  readonly frameOffset: Uint32Array;
  readonly frameSealedLength: Uint32Array;
  readonly frameCodedLength: Uint32Array;
  readonly framePlainLength: Uint32Array;
  readonly frameCodec: Uint8Array;
  /** Number of the first blob of each frame; one more entry closes the last. */
  readonly frameFirstBlob: Uint32Array;
  readonly blobCount: number;
  readonly blobLength: Uint32Array;
  /** Offset of each blob in its frame's plaintext. */
  readonly blobOffset: Uint32Array;
  /** Ids back to back. */
  readonly blobIds: Buffer;
}

export function blobIdOf(table: PackTable, blob: number): BlobId {
  return blobIdAt(table.blobIds, blob * BLOB_ID_BYTES);
}

/** Reads one header record from `reader`; stops behind it (what follows is padding or the caller's). */
export function readPackHeader(reader: ByteReader): PackTable {
  if (reader.u8() !== RECORD_VERSION) reader.fail('its record version is unknown');
  const kindCode = reader.u8();
  const kind = kindCode === BLOB_KINDS.data ? 'data' : kindCode === BLOB_KINDS.tree ? 'tree' : reader.fail('blob kind');
  const frameCount = reader.varint();
  if (frameCount > PACK_FRAMES_MAX || frameCount * 4 > reader.remaining) reader.fail(`${frameCount} frames`);
  const frameOffset = new Uint32Array(frameCount);
  const frameSealedLength = new Uint32Array(frameCount);
  const frameCodedLength = new Uint32Array(frameCount);
  const framePlainLength = new Uint32Array(frameCount);
  const frameCodec = new Uint8Array(frameCount);
  const frameFirstBlob = new Uint32Array(frameCount + 1);
  let offset = PROLOGUE_BYTES;
  let blobCount = 0;
  for (let frame = 0; frame < frameCount; frame++) {
    frameCodec[frame] = decodeCodec(reader);
    const sealed = reader.varint();
    const coded = reader.varint();
    if (coded + SEAL_TAG_BYTES > sealed || sealed > PACK_BYTES_MAX) reader.fail(`lengths of frame ${frame}`);
    frameOffset[frame] = offset;
    frameSealedLength[frame] = sealed;
    frameCodedLength[frame] = coded;
    offset += sealed;
    if (offset > PACK_BYTES_MAX) reader.fail('frames beyond the largest pack');
    frameFirstBlob[frame] = blobCount;
    blobCount += reader.varint();
    if (blobCount > PACK_BLOBS_MAX) reader.fail(`${blobCount} blobs`);
  }
  frameFirstBlob[frameCount] = blobCount;
  const blobLength = new Uint32Array(blobCount);
  const blobOffset = new Uint32Array(blobCount);
  for (let frame = 0; frame < frameCount; frame++) {
    let at = 0;
    const end = frameFirstBlob[frame + 1] ?? 0;
    for (let blob = frameFirstBlob[frame] ?? 0; blob < end; blob++) {
      const length = reader.varint();
      blobLength[blob] = length;
      blobOffset[blob] = at;
      at += length;
      if (at > FRAME_BYTES_MAX) reader.fail(`frame ${frame} is too large`);
    }
    framePlainLength[frame] = at;
  }
  const blobIds = reader.raw(blobCount * BLOB_ID_BYTES);
  return {
    kind,
    frameCount,
    frameOffset,
    frameSealedLength,
    frameCodedLength,
    framePlainLength,
    frameCodec,
    frameFirstBlob,
    blobCount,
    blobLength,
    blobOffset,
    blobIds,
  };
}

export interface IndexedPack {
  readonly packId: PackId;
  readonly packLength: number;
  readonly headerRecord: Buffer;
}

export function encodeIndexSegment(packs: readonly IndexedPack[]): Buffer {
  const writer = new ByteWriter(64 * 1024);
  writer.u8(RECORD_VERSION);
  writer.varint(packs.length);
  for (const pack of packs) {
    writer.raw(Buffer.from(pack.packId, 'hex'));
    writer.varint(pack.packLength);
    writer.counted(pack.headerRecord);
  }
  return writer.finish();
}

export interface IndexedPackTable {
  readonly packId: PackId;
  readonly packLength: number;
  readonly table: PackTable;
}

export interface IndexedPackHeader extends IndexedPackTable {
  /** What `table` was read from: a view. */
  readonly headerRecord: Buffer;
}

export function decodeIndexSegment(bytes: Buffer, what: string): IndexedPackHeader[] {
  const reader = new ByteReader(bytes, what);
  if (reader.u8() !== RECORD_VERSION) reader.fail('its record version is unknown');
  const count = reader.varint();
  if (count > INDEX_SEGMENT_PACKS_MAX) reader.fail(`${count} packs`);
  const packs: IndexedPackHeader[] = [];
  for (let index = 0; index < count; index++) {
    const packId = reader.raw(PACK_ID_BYTES).toString('hex') as PackId;
    const packLength = reader.varint();
    const headerRecord = reader.counted(PACK_BYTES_MAX);
    const record = new ByteReader(headerRecord, `${what}, pack ${packId}`);
    const table = readPackHeader(record);
    record.end();
    packs.push({ packId, packLength, table, headerRecord });
  }
  reader.end();
  return packs;
}
