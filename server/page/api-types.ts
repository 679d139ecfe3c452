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

export interface Key {
  readonly id: string;
  readonly created: string;
  readonly host: string;
  readonly label: string;
  readonly protection: 'password' | 'none';
  /** The server itself opens the repository with it. */
  readonly in_use: boolean;
}

/** Where the server has its own password from. */
export interface ServerPassword {
  readonly origin: 'file' | 'variable' | 'command' | 'prompt' | 'none';
  readonly name: string | null;
}

export interface Keys {
  readonly items: readonly Key[];
  readonly server_password: ServerPassword;
}

export type MailSecurity = 'tls' | 'starttls' | 'none';

interface MailAccount {
  readonly host: string;
  readonly port: number;
  readonly security: MailSecurity;
  readonly user: string;
  readonly from: string;
  readonly to: readonly string[];
}

interface Occasions {
  readonly on_failure: boolean;
  readonly on_success: boolean;
  readonly stale_days: number | null;
  readonly page_url: string | null;
  readonly ping_url: string | null;
  readonly webhook: { readonly url: string } | null;
}

/** Secrets never come back: only whether there is one. */
export interface Notifications extends Occasions {
  readonly ntfy: { readonly url: string; readonly token_set: boolean } | null;
  readonly email: (MailAccount & { readonly password_set: boolean }) | null;
}

/** A secret that is left out stays as it was. */
export interface NotificationsInput extends Occasions {
  readonly ntfy: { readonly url: string; readonly token?: string } | null;
  readonly email: (MailAccount & { readonly password?: string }) | null;
}

export type ChannelName = 'webhook' | 'ntfy' | 'email';

export interface Deliveries {
  readonly deliveries: readonly { readonly channel: ChannelName; readonly problem: string | null }[];
}

/** An audit that is over. */
export interface Audit {
  readonly job_id: number;
  readonly ended_at: string;
  readonly result: { readonly [name: string]: unknown };
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

export interface PlannedEntry extends PathEntry {
  readonly type: string;
  readonly bytes: number;
}

/** What a restore would do: the result of a job that plans one. */
export interface RestorePlan {
  readonly snapshot_time: string;
  readonly targets: readonly string[];
  readonly files_to_create: number;
  readonly files_to_replace: number;
  readonly files_to_compare: number;
  readonly files_to_skip: number;
  readonly files_to_delete: number;
  readonly bytes_to_delete: number;
  readonly directories_to_delete: number;
  readonly directories_to_create: number;
  readonly directories_to_mend: number;
  readonly bytes_to_write: number;
  readonly databases_to_swap: readonly string[];
  readonly removals: { readonly count: number; readonly digest: string };
  readonly mostly_deleted: {
    readonly path: string;
    readonly files_present: number;
    readonly files_deleted: number;
  } | null;
  /** Some of them; of a plan for a backup none. */
  readonly entries?: { readonly [kind in 'create' | 'replace' | 'compare' | 'delete']: readonly PlannedEntry[] };
}

export interface Library {
  readonly database_paths: readonly string[];
  readonly cover_paths: readonly string[];
  readonly book_paths: readonly string[];
  readonly other_paths: readonly string[];
  readonly profile: string | null;
}

export interface LibraryState {
  readonly library: Library;
  readonly origin: 'set' | 'detected' | 'initial';
  readonly detected: Library | null;
  readonly sources: readonly string[];
  readonly profiles: readonly { readonly name: string; readonly title: string }[];
}

/** What a search for silent damage found. */
export interface DamageSearch {
  readonly snapshot_id: string;
  readonly files_read: number;
  readonly bytes_read: number;
  readonly files_changed: number;
  readonly damaged_count: number;
  readonly damaged: readonly (PathEntry & { readonly bytes: number })[];
}

export interface SnapshotReference {
  readonly id: string;
  readonly short_id: string;
  readonly time: string;
  readonly host: string;
  readonly label: string;
}

/** One snapshot of a plan, and what would become of it. */
export interface RetentionDecision {
  readonly snapshot: SnapshotReference;
  readonly kept: boolean;
  readonly reasons: readonly { readonly text: string }[];
}

export interface RetentionPlan extends Pages<RetentionDecision> {
  /** The rules in words. */
  readonly policy: string;
  readonly kept: number;
  readonly removed: number;
  readonly warnings: readonly string[];
}

export type EntryType = 'file' | 'dir' | 'symlink' | 'fifo' | 'socket' | 'chardev' | 'dev';

export interface Entry extends PathEntry {
  readonly type: EntryType;
  /** Bytes; of a folder what lies below it. */
  readonly size: number;
  readonly files: number | null;
  readonly mode: number;
  readonly user: string | null;
  readonly mtime: string;
  readonly database: boolean;
  readonly linktarget?: string;
}

export interface Folder extends PathEntry, Pages<Entry> {
  readonly snapshot: SnapshotReference;
  readonly total: number;
  /** It is small enough for other orders than by name. */
  readonly sortable: boolean;
}

export interface Found {
  readonly entry: Entry;
  readonly ranges: readonly {
    readonly first: SnapshotReference;
    readonly last: SnapshotReference;
    readonly snapshots: number;
  }[];
}

export interface Version {
  readonly change: string;
  readonly entry: Entry | null;
  readonly first: SnapshotReference;
  readonly last: SnapshotReference;
  readonly snapshots: number;
}

export interface DiffChange extends PathEntry {
  readonly event: 'change';
  readonly type: EntryType;
  readonly change: 'added' | 'removed' | 'content' | 'metadata' | 'type' | 'moved' | 'bitrot';
  readonly from: PathEntry | null;
  readonly size_before: number | null;
  readonly size_after: number | null;
  readonly bytes_added: number;
  readonly bytes_removed: number;
}

export interface DiffTable extends PathEntry {
  readonly event: 'table';
  readonly table: string;
  readonly change: 'added' | 'removed' | 'content';
  readonly rows_added: number | null;
  readonly rows_removed: number | null;
  readonly rows_changed: number | null;
  readonly note: string | null;
}

export interface DiffProblem extends PathEntry {
  readonly event: 'problem';
  readonly message: string;
}

/** By column: text, number, null, or an object for what JSON has no word for. */
export interface Cells {
  readonly [column: string]: unknown;
}

export interface DiffRow extends PathEntry {
  readonly event: 'row';
  readonly table: string;
  readonly change: 'added' | 'removed' | 'changed';
  readonly key: Cells;
  readonly before: Cells | null;
  readonly after: Cells | null;
}

export type DiffItem = DiffChange | DiffTable | DiffRow | DiffProblem;

export interface DiffSummary {
  readonly counts: { readonly [change in DiffChange['change']]: number };
  readonly bytes_added: number;
  readonly bytes_removed: number;
  readonly problems: number;
}

export interface Diff {
  readonly before: SnapshotReference;
  readonly after: SnapshotReference | null;
  readonly items: readonly DiffItem[];
  readonly next_cursor: string | null;
  readonly summary: DiffSummary | null;
}

export interface GrowthDay {
  readonly date: string;
  readonly snapshots: number;
  readonly data_added: number;
  readonly data_added_packed: number;
}

export interface Stats {
  readonly repository_bytes: number;
  readonly snapshots: number;
  readonly growth: readonly GrowthDay[];
}

export interface RepositoryFacts {
  readonly location: string;
  readonly bytes: number;
  readonly snapshots: number;
  readonly first_snapshot: string | null;
  readonly last_snapshot: string | null;
  readonly damage: readonly string[];
}

/** What is known of the file of a backup before it is restored. */
export interface UploadPreview {
  readonly backup_id: string | null;
  readonly created_at: string;
  readonly created_by: string | null;
  readonly host: string;
  readonly program: string;
  readonly includes_books: boolean;
  readonly includes_covers: boolean;
  /** As the database counts them. */
  readonly books: number | null;
  readonly files: number;
  readonly bytes: number;
  readonly databases: readonly { readonly path: string; readonly bytes: number }[];
  /** Where it goes; what is not known here needs another place. */
  readonly places: readonly (PathEntry & { readonly is_known: boolean })[];
  readonly changes: {
    readonly files_missing: number;
    readonly files_different: number;
    readonly files_same: number;
    readonly bytes_to_write: number;
    readonly examples: readonly string[];
  };
}

export interface Upload {
  readonly id: number;
  readonly bytes: number;
  readonly preview: UploadPreview | null;
}
