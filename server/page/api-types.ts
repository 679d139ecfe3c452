/** What the API answers, as far as the page reads it. A test holds these against the server's own schemas. */

export interface Pages<Item> {
  readonly items: readonly Item[];
  readonly next_cursor: string | null;
}

export interface Session {
  readonly type: 'user' | 'token';
  readonly name: string;
  readonly csrf_token: string | null;
}

export type JobStatus = 'QUEUED' | 'RUNNING' | 'COMPLETED' | 'FAILED' | 'CANCELLED';

export interface JobProgress {
  readonly part: string | null;
  readonly files_done: number;
  readonly files_total: number | null;
  readonly bytes_done: number;
  readonly bytes_total: number | null;
  readonly bytes_new: number;
  readonly problems: number;
  readonly current_path: string | null;
}

export interface Job {
  readonly id: number;
  readonly kind: string;
  readonly status: JobStatus;
  readonly trigger: 'manual' | 'schedule';
  readonly created_by: string;
  readonly created_at: string;
  readonly started_at: string | null;
  readonly ended_at: string | null;
  readonly title: string;
  readonly outcome: 'done' | 'problems' | 'suspect' | 'damage' | 'failed' | null;
  readonly result: { readonly [name: string]: unknown } | null;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly problem_count: number;
  readonly progress: JobProgress | null;
  readonly can_go_on: boolean;
}

export interface Problem {
  readonly path: string;
  readonly during: string;
  readonly code: string;
  readonly message: string;
}

export interface JobDetails {
  readonly job: Job;
  readonly lines: readonly string[];
  readonly problems: readonly Problem[];
}

export interface JobStarted {
  readonly job: Job;
}

export interface Schedule {
  readonly enabled: boolean;
  readonly cron: string;
  readonly zone: string;
  readonly includes_books: boolean;
  readonly includes_covers: boolean;
  readonly retention_days: number | null;
}

export interface ScheduleState {
  readonly schedule: Schedule;
  readonly next_runs: readonly string[];
  readonly last_night: Job | null;
}

export interface Backup {
  readonly id: number;
  readonly backup_id: string;
  readonly created_at: string;
  readonly size_bytes: number | null;
  readonly includes_books: boolean;
  readonly includes_covers: boolean;
  readonly status: 'IN_PROGRESS' | 'COMPLETED' | 'FAILED';
  readonly file_path: string | null;
  readonly created_by: string;
  readonly snapshot_id: string | null;
  readonly job_id: number | null;
  readonly reason: string | null;
  readonly trigger: 'manual' | 'schedule';
}

export interface PathEntry {
  readonly path: string;
  readonly path_base64?: string;
}

export interface Snapshot {
  readonly id: string;
  readonly short_id: string;
  readonly time: string;
  readonly host: string;
  readonly label: string;
  readonly tags: readonly string[];
  readonly paths: readonly PathEntry[];
  readonly parent: string | null;
  readonly pinned: boolean;
  readonly suspect: boolean;
  readonly suspicion: string | null;
  readonly problem_count: number;
  readonly summary: {
    readonly files_new: number;
    readonly files_changed: number;
    readonly files_deleted: number;
    readonly total_files_processed: number;
    readonly total_bytes_processed: number;
    readonly data_added: number;
    readonly data_added_packed: number;
    readonly total_duration: number;
  };
}

export interface User {
  readonly id: number;
  readonly name: string;
  readonly created_at: string;
}

export type Scope = 'read' | 'backup' | 'restore' | 'admin';

export interface Token {
  readonly id: number;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly created_by: string;
  readonly created_at: string;
  readonly expires_at: string | null;
  readonly used_at: string | null;
}
