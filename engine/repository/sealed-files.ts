/** Small sealed files: index segments, snapshots, annotations, marks, leases. One record each, named by its keyed hash. */

import { randomBytes } from 'node:crypto';
import { EngineError, isEngineError } from '../base/errors.ts';
import { FILE_ID_BYTES } from '../base/ids.ts';
import { COMPRESSION_LEVEL_DEFAULT, SEALED_FILE_BYTES_MAX, SEALED_FILES_AT_ONCE_MAX } from '../base/limits.ts';
import { Compressor, decompress } from '../codec/compression.ts';
import { paddedLength } from '../codec/padding.ts';
import {
  BODY_PAD_UNIT,
  CODEC_RAW,
  CODEC_ZSTD,
  decodeBody,
  decodePrologue,
  encodeBody,
  encodePrologue,
  PART_BODY,
  PROLOGUE_BYTES,
  SALT_BYTES,
  SEALED_KINDS,
  type SealedKind,
} from '../format/envelope.ts';
import type { Backend } from '../storage/backend.ts';
import type { KeyMaterial } from './key-material.ts';

export type RecordKind = Exclude<SealedKind, 'pack'>;

/** A repository as far as its store and its keys go: what everything in this folder works on, in workers too. */
export interface Store {
  readonly backend: Backend;
  readonly keys: KeyMaterial;
}

function recordId(keys: KeyMaterial, kind: RecordKind, record: Buffer): string {
  return keys.fileHasher
    .digest(Buffer.concat([Buffer.from([SEALED_KINDS[kind]]), record]), FILE_ID_BYTES)
    .toString('hex');
}

/** Seals `record` and stores it; returns its id (64 hexadecimal digits) and the file's length. A record that is there already is left as it is. */
export async function saveRecord(
  store: Store,
  kind: RecordKind,
  record: Buffer,
): Promise<{ readonly id: string; readonly bytes: number }> {
  const id = recordId(store.keys, kind, record);
  const salt = randomBytes(SALT_BYTES);
  const compressed = new Compressor(COMPRESSION_LEVEL_DEFAULT).compress(record);
  const body = encodeBody(
    {
      codec: compressed === undefined ? CODEC_RAW : CODEC_ZSTD,
      recordLength: record.length,
      coded: compressed ?? record,
    },
    (length) => paddedLength(length, BODY_PAD_UNIT),
  );
  const sealed = store.keys.sealer(kind, salt).seal({ part: PART_BODY, counter: 0 }, [body]);
  const file = Buffer.concat([encodePrologue(kind, salt), ...sealed]);
  if (!openRecord(store.keys, kind, { id, file }).equals(record)) {
    throw new EngineError('INTERNAL', `Sealing a ${kind} record did not give back what went in; nothing was written`);
  }
  try {
    await store.backend.write(kind, id, [file]);
  } catch (error) {
    if (!isEngineError(error, 'OBJECT_EXISTS')) throw error;
  }
  return { id, bytes: file.length };
}

/** The record of a sealed file that was read whole. OBJECT_CORRUPT unless it is authentic and carries this very id. */
export function openRecord(
  keys: KeyMaterial,
  kind: RecordKind,
  stored: { readonly id: string; readonly file: Buffer },
): Buffer {
  const what = `${kind} ${stored.id}`;
  const salt = decodePrologue(stored.file, kind, what);
  const opened = keys.sealer(kind, salt).open({ part: PART_BODY, counter: 0 }, stored.file.subarray(PROLOGUE_BYTES));
  const body = decodeBody(opened, what);
  if (body.recordLength > SEALED_FILE_BYTES_MAX) {
    throw new EngineError('OBJECT_CORRUPT', `Cannot open ${what}: it claims ${body.recordLength} bytes`);
  }
  const record = body.codec === CODEC_ZSTD ? decompress(body.coded, body.recordLength) : Buffer.from(body.coded);
  if (record.length !== body.recordLength || recordId(keys, kind, record) !== stored.id) {
    throw new EngineError('OBJECT_CORRUPT', `Cannot open ${what}: its content belongs to another name`);
  }
  return record;
}

export async function loadRecord(store: Store, kind: RecordKind, id: string): Promise<Buffer> {
  return openRecord(store.keys, kind, { id, file: await store.backend.read(kind, id) });
}

/**
 * Of many small files what `decode` makes of each, in the order of their ids. `open` gives the record, or throws what
 * reading or opening it failed with. Files are read a batch at a time, the next one while this one is decoded: taking
 * turns file by file would wake a thread for every call, which takes longer than the calls.
 */
export async function decodeRecords<Decoded>(
  store: Store,
  kind: RecordKind,
  ids: readonly string[],
  decode: (id: string, open: () => Buffer) => Decoded,
): Promise<Decoded[]> {
  const readBatch = (at: number): Promise<PromiseSettledResult<Buffer>[]> =>
    Promise.allSettled(ids.slice(at, at + SEALED_FILES_AT_ONCE_MAX).map((id) => store.backend.read(kind, id)));
  const decoded: Decoded[] = [];
  let next = readBatch(0);
  for (let at = 0; at < ids.length; at += SEALED_FILES_AT_ONCE_MAX) {
    const batch = await next;
    next = readBatch(at + SEALED_FILES_AT_ONCE_MAX);
    for (const [index, read] of batch.entries()) {
      const id = ids[at + index] ?? '';
      decoded.push(
        decode(id, () => {
          if (read.status === 'rejected') throw read.reason;
          return openRecord(store.keys, kind, { id, file: read.value });
        }),
      );
    }
  }
  return decoded;
}
