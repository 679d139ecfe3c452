/** Judges an upload. It only reads. */

import { judgeArchive } from '../../backups/judge.ts';
import { type UploadPreview, uploadPreview } from '../../backups/preview.ts';
import type { JobAnswer } from '../messages.ts';
import type { JobSurroundings } from '../surroundings.ts';

export interface JudgeRequest {
  readonly file: string;
  /** Names of backups that are here already. */
  readonly taken: readonly string[];
  /** Folders of this server's library and sources. */
  readonly known: readonly Uint8Array[];
}

export async function run({ monitor, signal }: JobSurroundings, request: JudgeRequest): Promise<JobAnswer> {
  const judged = await judgeArchive({
    file: Buffer.from(request.file),
    taken: new Set(request.taken),
    monitor,
    signal,
  });
  const result: UploadPreview = uploadPreview(
    judged,
    request.known.map((path) => Buffer.from(path)),
  );
  return { outcome: 'done', result };
}
