/** What a zip of known length would hold, entry by entry: for a list that goes into it. */

import type { Repository } from '../../repository/repository.ts';
import type { PlanZipOptions, ZipEntry } from './options.ts';
import { ZIP_START, ZipItems } from './zip-items.ts';

/**
 * What lies below the roots, in the archive's order, without the files that are made. Reads trees and no file.
 * PATH_NOT_FOUND, SNAPSHOT_NOT_FOUND, OBJECT_CORRUPT, OBJECT_MISSING; INTERRUPTED after the signal.
 */
export async function* listZip(
  repository: Repository,
  { snapshot: name, filter, roots, signal }: Omit<PlanZipOptions, 'files'>,
): AsyncGenerator<ZipEntry> {
  const snapshot = await repository.snapshots.find(name, filter);
  await repository.loadIndex();
  const items = new ZipItems({ repository, snapshot, roots, files: [], onLeftOut: () => undefined, signal });
  for await (const { entry } of items.from(ZIP_START)) {
    const type = entry.type === 'dir' || entry.type === 'symlink' ? entry.type : 'file';
    yield { path: entry.path, type, bytes: entry.size };
  }
}
