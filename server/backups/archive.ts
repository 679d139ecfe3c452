/** A backup as one file: a zip whose length is known before its first byte, made from the snapshot while it is downloaded. */

import { createHash } from 'node:crypto';
import {
  listZipParts,
  planZipParts,
  type Repository,
  readZipParts,
  type Snapshot,
  type ZipPartsPlan,
} from '../../engine/index.ts';
import { ARCHIVE_PLANS_MAX } from '../limits.ts';
import { archiveRoots } from './layout.ts';
import type { LibraryPaths } from './library.ts';
import { Listing, MANIFEST_NAME, makeManifest } from './manifest.ts';

export interface BackupArchive {
  readonly bytes: number;
  /** Of exactly these bytes. */
  readonly etag: string;
  /** Its bytes from `start` to before `end`; pieces are not to be changed. */
  readonly read: (range: {
    readonly start: number;
    readonly end: number;
    readonly signal: AbortSignal;
  }) => AsyncGenerator<Buffer>;
}

export class BackupArchives {
  /** By what they are made of; a download that goes on asks for the same one again. */
  readonly #plans = new Map<string, { readonly plan: ZipPartsPlan; readonly etag: string }>();

  /** Reads trees and no file. OBJECT_CORRUPT, OBJECT_MISSING, INTERRUPTED. */
  async open(
    repository: Repository,
    snapshot: Snapshot,
    { library, signal }: { readonly library: LibraryPaths; readonly signal: AbortSignal },
  ): Promise<BackupArchive> {
    const roots = archiveRoots(snapshot, library);
    const key = [snapshot.id, ...roots.map(({ as }) => as.toString('latin1'))].join('\0');
    let found = this.#plans.get(key);
    if (found === undefined) {
      const listing = new Listing();
      const parts = { snapshot: snapshot.id, roots };
      for await (const part of listZipParts(repository, { ...parts, files: [], signal })) listing.add(part);
      const manifest = makeManifest(snapshot, roots, listing);
      const files = [{ as: Buffer.from(MANIFEST_NAME), content: manifest }];
      const plan = await planZipParts(repository, { ...parts, files, signal });
      found = { plan, etag: `"${createHash('sha256').update(manifest).digest('hex').slice(0, 32)}"` };
    }
    this.#keep(key, found);
    const { plan, etag } = found;
    return { bytes: plan.bytes, etag, read: (range) => readZipParts(repository, plan, range) };
  }

  /** The ones asked for last. */
  #keep(key: string, made: { readonly plan: ZipPartsPlan; readonly etag: string }): void {
    this.#plans.delete(key);
    this.#plans.set(key, made);
    const [oldest] = this.#plans.keys();
    if (this.#plans.size > ARCHIVE_PLANS_MAX && oldest !== undefined) this.#plans.delete(oldest);
  }
}
