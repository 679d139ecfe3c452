/** Parts of a snapshot as one zip, in the words of a download: what is in it, how long it is, and its bytes (zip-plan.ts, zip-read.ts). */

import type { Repository } from '../../repository/repository.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import type { ZipFile, ZipPlan, ZipRoot } from './options.ts';
import { ZIP_START, ZipItems } from './zip-items.ts';
import { planZip } from './zip-plan.ts';
import { readZip } from './zip-read.ts';

export interface ZipPartsOptions {
  /** `latest`, `latest~N`, an id or a unique prefix. */
  readonly snapshot: string;
  /** Files that are made for the archive; they come first. */
  readonly files: readonly ZipFile[];
  /** A folder or file of the snapshot, and the name that it has in the archive: relative, no slash at its end. */
  readonly roots: readonly ZipRoot[];
  readonly signal?: AbortSignal | undefined;
}

export interface ZipPartsPlan {
  readonly snapshot: Snapshot;
  /** Of the whole archive. */
  readonly bytes: number;
  readonly entries: number;
  readonly plan: ZipPlan;
}

/** One entry below a root, as it will stand in the archive. */
export interface ZipPart {
  /** Name in the archive. */
  readonly path: Buffer;
  readonly type: 'file' | 'dir' | 'symlink';
  /** Of a file; else zero. */
  readonly bytes: number;
}

/** What lies below the roots, in the archive's order, without the files that are made. PATH_NOT_FOUND, SNAPSHOT_NOT_FOUND. */
export async function* listZipParts(repository: Repository, options: ZipPartsOptions): AsyncGenerator<ZipPart> {
  const { roots, signal } = options;
  const snapshot = await repository.snapshots.find(options.snapshot);
  await repository.loadIndex();
  const items = new ZipItems({ repository, snapshot, roots, files: [], onLeftOut: () => undefined, signal });
  for await (const { entry } of items.from(ZIP_START)) {
    const type = entry.type === 'dir' || entry.type === 'symlink' ? entry.type : 'file';
    yield { path: entry.path, type, bytes: entry.size };
  }
}

/** How long it will be. Throws as planZip does. */
export async function planZipParts(repository: Repository, options: ZipPartsOptions): Promise<ZipPartsPlan> {
  const plan = await planZip(repository, options);
  return { snapshot: plan.snapshot, bytes: plan.length, entries: plan.directory.entries, plan };
}

/** Its bytes from `start` to before `end`; pieces are views, not to be changed. Throws as readZip does. */
export function readZipParts(
  repository: Repository,
  { plan }: ZipPartsPlan,
  range: { readonly start?: number; readonly end?: number; readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<Buffer> {
  return readZip(repository, plan, range);
}
