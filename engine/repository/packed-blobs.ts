/** Blobs of a sealed frame. A pack of small files has tens of thousands: as objects they took more than their pack. */

import { BLOB_ID_BYTES, type BlobId } from '../base/ids.ts';
import type { BlobEntry, BlobList } from '../format/pack-header.ts';

export class PackedBlobs implements BlobList {
  readonly #ids: Buffer;
  readonly #lengths: Uint32Array;

  constructor(ids: Buffer, lengths: ArrayLike<number>) {
    this.#ids = ids;
    this.#lengths = Uint32Array.from(lengths);
  }

  get length(): number {
    return this.#lengths.length;
  }

  *[Symbol.iterator](): Generator<BlobEntry> {
    for (let blob = 0; blob < this.#lengths.length; blob++) {
      const blobId = this.#ids.subarray(blob * BLOB_ID_BYTES, (blob + 1) * BLOB_ID_BYTES) as BlobId;
      yield { blobId, length: this.#lengths[blob] ?? 0 };
    }
  }
}
