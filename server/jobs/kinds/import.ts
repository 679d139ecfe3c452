/** Takes the backup file of an Audiobookshelf server as a backup of this library. Nothing is restored. */

import { importArchive } from '../../../engine/index.ts';
import type { ServerPlaces } from '../../backups/audiobookshelf.ts';
import { BACKUP_LABEL } from '../../backups/label.ts';
import { writeTags } from '../../backups/tags.ts';
import type { JobAnswer } from '../messages.ts';
import type { JobSurroundings } from '../surroundings.ts';

export interface ImportRequest {
  /** In quarantine, not judged: the import refuses what is not sound, and then nothing of it is left. */
  readonly file: string;
  readonly places: ServerPlaces;
  readonly createdBy: string;
}

/** Where an import of such a file puts its parts, unless it is told otherwise. */
const PARTS = ['config', 'metadata'] as const;

export async function run({ open, monitor, signal }: JobSurroundings, request: ImportRequest): Promise<JobAnswer> {
  const { file, places, createdBy } = request;
  const { snapshot, counts } = await importArchive(await open(), {
    source: { file: Buffer.from(file) },
    format: 'audiobookshelf',
    layout: {
      placeOf: (path) => placeOf(path, places),
      paths: PARTS.map((part) => Buffer.from(places[part])),
      databases: [],
    },
    label: BACKUP_LABEL,
    tags: writeTags({ includes: { books: false, covers: true }, by: createdBy, trigger: 'manual', name: undefined }),
    strict: true,
    monitor,
    signal,
  });
  return { outcome: 'done', result: { snapshot_id: snapshot.id, files: counts.totalFilesProcessed } };
}

function placeOf(path: Buffer, places: ServerPlaces): Buffer | undefined {
  const text = path.toString('latin1');
  const part = PARTS.find((one) => text === one || text.startsWith(`${one}/`));
  return part === undefined ? undefined : Buffer.concat([Buffer.from(places[part]), path.subarray(part.length)]);
}
