/** Reads a pack's own table of contents from its end: where index segments are missing or damaged, or not written yet. */

import { ByteReader } from '../base/bytes.ts';
import { EngineError } from '../base/errors.ts';
import type { PackId } from '../base/ids.ts';
import { PACK_BYTES_MAX } from '../base/limits.ts';
import { decodeTrailer, PART_HEADER, PART_TRAILER, PROLOGUE_BYTES, TRAILER_BYTES } from '../format/envelope.ts';
import { type IndexedPackTable, readPackHeader } from '../format/pack-header.ts';
import type { Store } from './sealed-files.ts';

/** Most headers are shorter than this, so that one read is enough. */
const TAIL_BYTES = 64 * 1024;

export interface ReadPackHeader extends IndexedPackTable {
  /** The header's record, as an index segment holds it. */
  readonly headerRecord: Buffer;
}

/** OBJECT_MISSING, or OBJECT_CORRUPT for a pack that is truncated, renamed or damaged at its end. */
export async function loadPackHeader(store: Store, packId: PackId): Promise<ReadPackHeader> {
  const what = `pack ${packId}`;
  const packLength = await store.backend.size('pack', packId);
  if (packLength === undefined) throw new EngineError('OBJECT_MISSING', `Cannot read ${what}: there is no such file`);
  if (packLength < PROLOGUE_BYTES + TRAILER_BYTES || packLength > PACK_BYTES_MAX) {
    throw new EngineError('OBJECT_CORRUPT', `Cannot read ${what}: a length of ${packLength} bytes is impossible`);
  }
  const tailLength = Math.min(TAIL_BYTES, packLength);
  const tail = await store.backend.read('pack', packId, { offset: packLength - tailLength, length: tailLength });
  const sealer = store.keys.sealer('pack', Buffer.from(packId, 'hex'));
  const trailerRecord = sealer.open({ part: PART_TRAILER, counter: 0 }, tail.subarray(tailLength - TRAILER_BYTES));
  const trailer = decodeTrailer(trailerRecord, `the trailer of ${what}`);
  if (trailer.packLength !== packLength) {
    throw new EngineError(
      'OBJECT_CORRUPT',
      `Cannot read ${what}: ${packLength} bytes instead of ${trailer.packLength}`,
    );
  }
  const { headerOffset, headerLength } = trailer;
  const sealedHeader =
    headerLength + TRAILER_BYTES <= tailLength
      ? tail.subarray(tailLength - TRAILER_BYTES - headerLength, tailLength - TRAILER_BYTES)
      : await store.backend.read('pack', packId, { offset: headerOffset, length: headerLength });
  const opened = sealer.open({ part: PART_HEADER, counter: 0 }, sealedHeader);
  const reader = new ByteReader(opened, `the header of ${what}`);
  const table = readPackHeader(reader);
  return { packId, packLength, table, headerRecord: opened.subarray(0, reader.offset) };
}
