/** The table of backups: completed ones can be rebuilt from the repository, failed ones are only here. */

import type { JobTrigger } from '../jobs/job.ts';
import type { StateDatabase } from './database.ts';

export const BACKUP_STATUSES = ['IN_PROGRESS', 'COMPLETED', 'FAILED'] as const;
export type BackupStatus = (typeof BACKUP_STATUSES)[number];

export interface BackupRecord {
  readonly id: number;
  /** What people and scripts name it by. */
  readonly backupId: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly sizeBytes: number | undefined;
  readonly includesBooks: boolean;
  readonly includesCovers: boolean;
  readonly status: BackupStatus;
  /** Where it lies: the repository, and the snapshot in it. */
  readonly filePath: string | undefined;
  readonly createdBy: string;
  readonly snapshotId: string | undefined;
  readonly jobId: number | undefined;
  /** Why it failed. */
  readonly reason: string | undefined;
  readonly trigger: JobTrigger;
}

interface BackupRow {
  readonly id: number;
  readonly backup_id: string;
  readonly created_at: string;
  readonly size_bytes: number | null;
  readonly includes_books: number;
  readonly includes_covers: number;
  readonly status: string;
  readonly file_path: string | null;
  readonly created_by: string;
  readonly snapshot_id: string | null;
  readonly job_id: number | null;
  readonly reason: string | null;
  readonly trigger: string;
}

export class BackupStore {
  readonly #database: StateDatabase;

  constructor(database: StateDatabase) {
    this.#database = database;
  }

  add(backup: Omit<BackupRecord, 'id'>): BackupRecord {
    const { lastInsertRowid } = this.#database
      .prepare(
        `INSERT INTO backups (backup_id, created_at, size_bytes, includes_books, includes_covers, status, file_path,
         created_by, snapshot_id, job_id, reason, "trigger") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(
        backup.backupId,
        backup.createdAt,
        backup.sizeBytes ?? null,
        Number(backup.includesBooks),
        Number(backup.includesCovers),
        backup.status,
        backup.filePath ?? null,
        backup.createdBy,
        backup.snapshotId ?? null,
        backup.jobId ?? null,
        backup.reason ?? null,
        backup.trigger,
      );
    return { ...backup, id: Number(lastInsertRowid) };
  }

  /** Writes down how it ended. */
  save(backup: BackupRecord): void {
    this.#database
      .prepare(
        'UPDATE backups SET size_bytes = ?, status = ?, file_path = ?, snapshot_id = ?, job_id = ?, reason = ? WHERE id = ?',
      )
      .run(
        backup.sizeBytes ?? null,
        backup.status,
        backup.filePath ?? null,
        backup.snapshotId ?? null,
        backup.jobId ?? null,
        backup.reason ?? null,
        backup.id,
      );
  }

  findByBackupId(backupId: string): BackupRecord | undefined {
    return this.#find('backup_id = ?', backupId);
  }

  findByJob(jobId: number): BackupRecord | undefined {
    return this.#find('job_id = ?', jobId);
  }

  findBySnapshot(snapshotId: string): BackupRecord | undefined {
    return this.#find('snapshot_id = ?', snapshotId);
  }

  find(id: number): BackupRecord | undefined {
    return this.#find('id = ?', id);
  }

  findLastCompleted(): BackupRecord | undefined {
    return this.#find('status = ?', 'COMPLETED');
  }

  /** The newest first; `before` is the last one of the page before. */
  list({ before, limit }: { readonly before?: BackupRecord | undefined; readonly limit: number }): BackupRecord[] {
    const rows = this.#database
      .prepare('SELECT * FROM backups WHERE (created_at, id) < (?, ?) ORDER BY created_at DESC, id DESC LIMIT ?')
      .all(before?.createdAt ?? '~', before?.id ?? 0, limit) as BackupRow[];
    return rows.map(backupOf);
  }

  listWithStatus(status: BackupStatus): BackupRecord[] {
    const rows = this.#database.prepare('SELECT * FROM backups WHERE status = ? ORDER BY id').all(status);
    return (rows as BackupRow[]).map(backupOf);
  }

  remove(id: number): boolean {
    return this.#database.prepare('DELETE FROM backups WHERE id = ?').run(id).changes > 0;
  }

  #find(condition: string, value: string | number): BackupRecord | undefined {
    const row = this.#database.prepare(`SELECT * FROM backups WHERE ${condition} ORDER BY id DESC`).get(value);
    return row === undefined ? undefined : backupOf(row as BackupRow);
  }
}

function backupOf(row: BackupRow): BackupRecord {
  return {
    id: row.id,
    backupId: row.backup_id,
    createdAt: row.created_at,
    sizeBytes: row.size_bytes ?? undefined,
    includesBooks: row.includes_books === 1,
    includesCovers: row.includes_covers === 1,
    status: row.status as BackupStatus,
    filePath: row.file_path ?? undefined,
    createdBy: row.created_by,
    snapshotId: row.snapshot_id ?? undefined,
    jobId: row.job_id ?? undefined,
    reason: row.reason ?? undefined,
    trigger: row.trigger as JobTrigger,
  };
}
