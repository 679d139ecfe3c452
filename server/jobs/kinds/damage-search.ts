/**
 * Reads what a snapshot has of the disk, file by file, and finds what is not what it was although nobody wrote to it: a disk
 * that forgets does not say so. Nothing is changed.
 */

import { type DiffSummary, diff, type Problem } from '../../../engine/index.ts';
import { JOB_PROBLEMS_MAX } from '../../limits.ts';
import { pathView } from '../../views.ts';
import type { JobAnswer } from '../messages.ts';
import type { JobSurroundings } from '../surroundings.ts';

export interface DamageSearchRequest {
  /** Id of the snapshot that says what it was. */
  readonly snapshot: string;
  /** Bytes of the path; undefined for all of its sources. */
  readonly path: Uint8Array | undefined;
}

export interface DamagedFile {
  readonly path: string;
  readonly path_base64?: string;
  readonly bytes: number;
}

/** What a search answers; the page shows it. */
export interface DamageSearchAnswer {
  readonly snapshot_id: string;
  readonly files_read: number;
  readonly bytes_read: number;
  /** Files that others wrote to since then. */
  readonly files_changed: number;
  readonly damaged_count: number;
  /** JOB_PROBLEMS_MAX of them. */
  readonly damaged: readonly DamagedFile[];
}

export async function run(
  { open, monitor, signal }: JobSurroundings,
  { snapshot: id, path: bytes }: DamageSearchRequest,
): Promise<JobAnswer> {
  const repository = await open();
  const path = bytes === undefined ? undefined : Buffer.from(bytes);
  const { summary: whole } = await repository.snapshots.find(id);
  const [filesTotal, bytesTotal] = path === undefined ? [whole.totalFilesProcessed, whole.totalBytesProcessed] : [];
  const read = { files: 0, bytes: 0 };
  let problems = 0;
  const onRead = (file: Buffer, length: number): void => {
    read.files++;
    read.bytes += length;
    monitor.progress?.({
      filesDone: read.files,
      bytesDone: read.bytes,
      filesTotal,
      bytesTotal,
      bytesNew: 0,
      problems,
      currentPath: file.toString('utf8'),
    });
  };
  const tell = (problem: Problem): void => {
    problems++;
    monitor.problem?.(problem);
  };
  const damaged: DamagedFile[] = [];
  let summary: DiffSummary | undefined;
  const after = { live: { readData: true, onRead } };
  for await (const event of diff(repository, { before: id, after, path, tables: false, signal })) {
    if (event.event === 'summary') summary = event;
    else if (event.event === 'problem') tell(event.problem);
    else if (event.event === 'change' && event.change === 'bitrot' && damaged.length < JOB_PROBLEMS_MAX) {
      damaged.push({ ...pathView(event.path), bytes: event.sizeAfter ?? 0 });
    }
  }
  const count = summary?.counts.bitrot ?? 0;
  const result: DamageSearchAnswer = {
    snapshot_id: id,
    files_read: read.files,
    bytes_read: read.bytes,
    files_changed: summary?.counts.content ?? 0,
    damaged_count: count,
    damaged,
  };
  return { outcome: count > 0 ? 'damage' : problems > 0 ? 'problems' : 'done', result };
}
