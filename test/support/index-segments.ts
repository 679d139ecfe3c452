/** Packs that exist only in index segments: enough for whatever is asked of an index alone. */

import { randomBytes } from 'node:crypto';
import { BLOB_ID_BYTES, type BlobId, type PackId, type RepositoryId } from '../../engine/base/ids.ts';
import { CODEC_RAW, SEAL_TAG_BYTES } from '../../engine/format/envelope.ts';
import {
  type BlobKind,
  encodeIndexSegment,
  encodePackHeader,
  type FrameEntry,
} from '../../engine/format/pack-header.ts';
import { KeyMaterial } from '../../engine/repository/key-material.ts';
import { type Store, saveRecord } from '../../engine/repository/sealed-files.ts';
import type { Backend } from '../../engine/storage/backend.ts';
import type { Random } from './random.ts';

export interface PaperPack {
  readonly packId: PackId;
  readonly packLength: number;
  readonly kind: BlobKind;
  readonly frames: readonly (readonly { readonly blobId: BlobId; readonly length: number }[])[];
}

/** A store with keys of its own. */
export async function testStore(backend: Backend, secret = randomBytes(32)): Promise<Store> {
  const id = secret.toString('hex', 0, 16) as RepositoryId;
  return { backend, keys: await KeyMaterial.create(id, { content: secret, seal: secret }) };
}

export function randomBlobId(random: Random): BlobId {
  const id = Buffer.alloc(BLOB_ID_BYTES);
  for (let at = 0; at < BLOB_ID_BYTES; at += 4) id.writeUInt32LE(random.below(2 ** 32), at);
  return id as BlobId;
}

export function paperPack(random: Random, blobIds: readonly BlobId[], framesMax = 4): PaperPack {
  const frames: { blobId: BlobId; length: number }[][] = [];
  let length = 0;
  for (const blobId of blobIds) {
    if (frames.length === 0 || (frames.length < framesMax && random.below(4) === 0)) frames.push([]);
    const bytes = random.below(60_000);
    frames.at(-1)?.push({ blobId, length: Math.min(bytes, 8_000_000 / blobIds.length) | 0 });
    length += bytes;
  }
  const packId = Buffer.alloc(16);
  for (let at = 0; at < 16; at += 4) packId.writeUInt32LE(random.below(2 ** 32), at);
  const kind = random.below(3) === 0 ? 'tree' : 'data';
  return { packId: packId.toString('hex') as PackId, packLength: length + 100, kind, frames };
}

export function headerOf(pack: PaperPack): Buffer {
  const frames = pack.frames.map((blobs): FrameEntry => {
    const coded = blobs.reduce((sum, blob) => sum + blob.length, 0);
    return { codec: CODEC_RAW, codedLength: coded, sealedLength: coded + SEAL_TAG_BYTES, blobs };
  });
  return encodePackHeader({ kind: pack.kind, frames });
}

/** Stores an index segment that names these packs; returns its id. */
export async function saveSegment(store: Store, packs: readonly PaperPack[]): Promise<string> {
  const named = packs.map((pack) => ({ ...pack, headerRecord: headerOf(pack) }));
  return (await saveRecord(store, 'index', encodeIndexSegment(named))).id;
}
