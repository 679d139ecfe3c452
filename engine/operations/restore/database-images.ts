/** Images of a snapshot's databases in a private folder, one at a time, for those who look into them ahead of a restore. */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { isEngineError } from '../../base/errors.ts';
import type { Node } from '../../format/row.ts';
import { findPath } from '../../repository/find-node.ts';
import type { Repository } from '../../repository/repository.ts';
import { makeScratchFolder } from '../../repository/scratch-folders.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import { writeImage } from '../../repository/write-image.ts';
import { isDatabase } from './side-files.ts';

export interface LaidOutImage {
  readonly image: string;
  /** The folder that it lies in, which is private, too. */
  readonly scratchDirectory: string;
}

export class DatabaseImages {
  readonly #repository: Repository;
  readonly #snapshot: Snapshot;
  readonly #signal: AbortSignal | undefined;

  constructor(repository: Repository, snapshot: Snapshot, signal: AbortSignal | undefined) {
    this.#repository = repository;
    this.#snapshot = snapshot;
    this.#signal = signal;
  }

  /** What the snapshot holds at a path: a database that was captured as one, another file, or nothing of the kind. */
  async kindOf(path: Buffer): Promise<'captured' | 'plain' | undefined> {
    const node = await this.#find(path);
    if (node?.type !== 'file') return undefined;
    return isDatabase(node) ? 'captured' : 'plain';
  }

  async #find(path: Buffer): Promise<Node | undefined> {
    try {
      const found = await findPath(this.#repository.blobs, this.#snapshot, path);
      return found.kind === 'node' ? found.node : undefined;
    } catch (error) {
      if (!isEngineError(error, 'PATH_NOT_FOUND')) throw error;
      return undefined;
    }
  }

  /**
   * Answers what `act` makes of the image, which is gone afterwards, and may be changed; undefined where the snapshot holds
   * no database at this path that was captured as one. DATABASE_FAILED where there is no room, OBJECT_CORRUPT, INTERRUPTED.
   */
  async use<Result>(path: Buffer, act: (laidOut: LaidOutImage) => Promise<Result>): Promise<Result | undefined> {
    const node = await this.#find(path);
    if (node === undefined || !isDatabase(node)) return undefined;
    const scratchDirectory = makeScratchFolder(join(this.#repository.cacheDirectory, 'scratch'));
    try {
      const image = join(scratchDirectory, 'image');
      await writeImage(this.#repository, node, image, this.#signal);
      return await act({ image, scratchDirectory });
    } finally {
      rmSync(scratchDirectory, { recursive: true, force: true });
    }
  }
}
