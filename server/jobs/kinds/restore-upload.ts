/**
 * Restores an upload: it becomes a snapshot first, and then it is restored as any other one. What was imported once is found
 * again, so that a restore that was cut off, or waits for its server to be stopped, goes on.
 */

import { EngineError, forget, importArchive, type Repository, readArchive } from '../../../engine/index.ts';
import { BACKUP_LABEL } from '../../backups/label.ts';
import { DUMPS, snapshotPathOf } from '../../backups/layout.ts';
import { type Manifest, readManifest, rootsOf } from '../../backups/manifest.ts';
import { writeTags } from '../../backups/tags.ts';
import type { JobAnswer } from '../messages.ts';
import type { JobSurroundings } from '../surroundings.ts';
import { type RestoreRequest, run as runRestore } from './restore.ts';

export interface RestoreUploadRequest extends RestoreRequest {
  /** In quarantine, judged. */
  readonly file: string;
  /** Names the upload in the repository. */
  readonly key: string;
  readonly createdBy: string;
}

export async function run(surroundings: JobSurroundings, request: RestoreUploadRequest): Promise<JobAnswer> {
  const repository = await surroundings.open();
  const snapshotId =
    (await findImported(repository, request)) ?? (await importUpload(surroundings, repository, request));
  const { options, confirmed, hooks, hookEnvironment } = request;
  surroundings.beginPart('restore');
  const answer = await runRestore(surroundings, {
    options: { ...options, snapshot: snapshotId },
    ...(confirmed === undefined ? {} : { confirmed }),
    ...(hooks === undefined ? {} : { hooks }),
    ...(hookEnvironment === undefined ? {} : { hookEnvironment }),
  });
  return { ...answer, result: { ...answer.result, imported_snapshot_id: snapshotId, upload_key: request.key } };
}

function uploadTag({ key }: RestoreUploadRequest): string {
  return `upload=${key}`;
}

async function findImported(repository: Repository, request: RestoreUploadRequest): Promise<string | undefined> {
  const [found] = await repository.snapshots.list({ tags: [uploadTag(request)] }, () => undefined);
  return found?.id;
}

async function importUpload(
  { monitor, signal, beginPart }: JobSurroundings,
  repository: Repository,
  request: RestoreUploadRequest,
): Promise<string> {
  beginPart('import');
  const file = Buffer.from(request.file);
  const manifest = await manifestOf(file);
  const roots = rootsOf(manifest);
  const { includes_books: books, includes_covers: covers, backup_id: name, host, databases } = manifest;
  const tags = writeTags({
    includes: { books, covers },
    by: request.createdBy,
    trigger: 'manual',
    name: name ?? undefined,
  });
  const result = await importArchive(repository, {
    source: { file },
    format: 'zip',
    layout: {
      placeOf: (path) => snapshotPathOf(path, roots),
      paths: roots.map(({ path }) => path).filter((path) => !path.equals(DUMPS)),
      databases: rootsOf({ roots: databases }).map(({ path }, index) => ({
        path,
        bytes: databases[index]?.bytes ?? 0,
        check: databases[index]?.check ?? '',
      })),
    },
    label: BACKUP_LABEL,
    tags: [...tags, uploadTag(request)],
    host,
    time: new Date(manifest.created_at),
    strict: true,
    monitor,
    signal,
  });
  const { snapshot, counts, duplicates } = result;
  const isWhole = counts.totalFilesProcessed >= manifest.files && duplicates === 0;
  if (isWhole) return snapshot.id;
  await forget(repository, { snapshots: [snapshot.id], allowRemoveAll: true });
  throw new EngineError('ARCHIVE_INVALID', 'The upload is not what it was when it was judged: nothing was restored');
}

/** It comes first, as was seen when it was judged. */
async function manifestOf(file: Buffer): Promise<Manifest> {
  for await (const { content } of readArchive({ file })) {
    const pieces: Buffer[] = [];
    for await (const piece of content()) pieces.push(Buffer.from(piece));
    return readManifest(Buffer.concat(pieces));
  }
  throw new EngineError('ARCHIVE_INVALID', 'The upload is empty');
}
