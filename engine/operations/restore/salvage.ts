/** Pieces that their frame did not give: another copy may exist. */

import { EngineError } from '../../base/errors.ts';
import type { BlobId } from '../../base/ids.ts';
import { SALVAGE_SEARCH_MS_MAX } from '../../base/limits.ts';
import type { Repository } from '../../repository/repository.ts';

export class Salvage {
  readonly #repository: Repository;
  #searchMs = 0;

  constructor(repository: Repository) {
    this.#repository = repository;
  }

  /** From wherever it can be had. Throws damage, at once when too long was searched already. */
  async read(blobId: BlobId, length: number): Promise<Buffer> {
    const name = blobId.toString('hex');
    if (this.#searchMs > SALVAGE_SEARCH_MS_MAX) {
      throw new EngineError('OBJECT_CORRUPT', `Blob ${name} cannot be read, like many before it`);
    }
    const begun = performance.now();
    try {
      const bytes = await this.#repository.blobs.read('data', blobId);
      if (bytes.length === length) return bytes;
      throw new EngineError('OBJECT_CORRUPT', `Blob ${name} has another length than its file says`);
    } finally {
      this.#searchMs += performance.now() - begun;
    }
  }
}
