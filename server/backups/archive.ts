/** A backup as one file: a zip whose length is known before its first byte, made from the snapshot while it is downloaded. */

import { listZip, planZip, type Repository, readZip, type Snapshot } from '../../engine/index.ts';
import type { SentRange } from '../downloads.ts';
import { ZipPlans } from '../zip-plans.ts';
import { archiveRoots } from './layout.ts';
import type { LibraryPaths } from './library.ts';
import { Listing, MANIFEST_NAME, makeManifest } from './manifest.ts';

export interface BackupArchive {
  readonly bytes: number;
  /** Without quotes; of exactly these bytes. */
  readonly tag: string;
  /** Pieces are not to be changed. */
  readonly read: (range: SentRange, signal: AbortSignal) => AsyncGenerator<Buffer>;
}

export class BackupArchives {
  readonly #plans = new ZipPlans();

  /** Reads trees and no file. OBJECT_CORRUPT, OBJECT_MISSING, INTERRUPTED. */
  async open(
    repository: Repository,
    snapshot: Snapshot,
    { library, signal }: { readonly library: LibraryPaths; readonly signal: AbortSignal },
  ): Promise<BackupArchive> {
    const roots = archiveRoots(snapshot, library);
    const parts = { snapshot: snapshot.id, roots, signal };
    const plan = await this.#plans.plan([snapshot.id, ...roots.flatMap(({ path, as }) => [path, as])], async () => {
      const listing = new Listing();
      for await (const entry of listZip(repository, parts)) listing.add(entry);
      const content = makeManifest(snapshot, roots, listing);
      return planZip(repository, { ...parts, files: [{ as: Buffer.from(MANIFEST_NAME), content }] });
    });
    return {
      bytes: plan.length,
      tag: plan.id,
      read: (range, signal) => readZip(repository, plan, { ...range, signal }),
    };
  }
}
