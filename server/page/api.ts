/** The one place of the page that knows addresses of the API. */

import type {
  Audit,
  Backup,
  Deliveries,
  Diff,
  Folder,
  Found,
  Job,
  JobDetails,
  JobStarted,
  JobStatus,
  Keys,
  Library,
  LibraryState,
  Notifications,
  NotificationsInput,
  Pages,
  PathEntry,
  RepositoryFacts,
  RetentionPlan,
  Schedule,
  ScheduleState,
  Scope,
  Session,
  Snapshot,
  Stats,
  Token,
  Upload,
  User,
  Version,
} from './api-types.ts';
import type { HttpClient } from './http.ts';

export interface PageAsk {
  readonly cursor?: string | undefined;
  readonly limit?: number;
  readonly signal?: AbortSignal;
}

export interface Mapping {
  readonly from: string;
  readonly to: string;
}

export interface SnapshotsAsk {
  readonly pinned?: boolean | undefined;
  readonly suspect?: boolean | undefined;
}

export interface SnapshotChange {
  readonly snapshots: readonly string[];
  readonly set_tags?: readonly string[];
  readonly label?: string;
  readonly pinned?: boolean;
  readonly trusted?: boolean;
}

/** One of the two: a name that is not UTF-8 travels as base64. */
export type PlaceQuery = { readonly path: string } | { readonly path_base64: string };

export function placeOf({ path, path_base64 }: PathEntry): PlaceQuery {
  return path_base64 === undefined ? { path } : { path_base64 };
}

/** What happens to a file that is there. */
export type Overwrite = 'always' | 'if-changed' | 'if-newer' | 'never';

export interface RestoreQuestion {
  readonly snapshot: string;
  readonly paths: readonly PlaceQuery[];
  readonly in_place?: boolean;
  readonly mappings?: readonly Mapping[];
  readonly profile?: string;
  readonly target?: PlaceQuery;
  readonly overwrite?: Overwrite;
  readonly delete: boolean;
}

/** What somebody saw that it removes. */
export interface RestoreConfirmation {
  readonly confirm_removals: number;
  readonly confirm_digest: string;
}

export type FolderOrder = 'name' | 'size' | 'time';

export interface FolderAsk extends PageAsk {
  readonly snapshot: string;
  readonly place: PlaceQuery;
  readonly order?: FolderOrder;
  readonly descending?: boolean;
}

export interface FindAsk extends PageAsk {
  readonly pattern: string;
  readonly snapshot?: string | undefined;
}

export interface DiffAsk {
  readonly before: string;
  /** Undefined: the disk as it is now. */
  readonly after: string | undefined;
  readonly place?: PlaceQuery | undefined;
  readonly cursor?: string | undefined;
  /** Rows of databases, too. */
  readonly withRows?: boolean;
  readonly signal: AbortSignal;
}

export interface TextAsk {
  readonly bytes: number;
  readonly signal: AbortSignal;
}

/** Of the snapshots that are backups of the library. */
const BACKUP_LABEL = 'library-backup';

export class Api {
  readonly #http: HttpClient;

  constructor(http: HttpClient) {
    this.#http = http;
  }

  get eventsAddress(): string {
    return this.#http.address('/events');
  }

  session(): Promise<Session> {
    return this.#http.ask('GET', '/session');
  }

  signIn(name: string, password: string): Promise<Session> {
    return this.#http.ask('POST', '/session', { body: { name, password } });
  }

  signOut(): Promise<void> {
    return this.#http.ask('DELETE', '/session');
  }

  setupState(): Promise<{ readonly open: boolean }> {
    return this.#http.ask('GET', '/setup');
  }

  setUp(token: string, name: string, password: string): Promise<Session> {
    return this.#http.ask('POST', '/setup', { body: { token, name, password } });
  }

  jobs({
    statuses,
    cursor,
    limit,
    signal,
  }: PageAsk & { readonly statuses?: readonly JobStatus[] } = {}): Promise<Pages<Job>> {
    return this.#http.ask('GET', '/jobs', {
      query: { status: statuses, cursor, limit },
      ...(signal === undefined ? {} : { signal }),
    });
  }

  job(id: number, signal?: AbortSignal): Promise<JobDetails> {
    return this.#http.ask('GET', `/jobs/${id}`, signal === undefined ? {} : { signal });
  }

  cancelJob(id: number): Promise<JobStarted> {
    return this.#http.ask('DELETE', `/jobs/${id}`);
  }

  resumeJob(id: number): Promise<JobStarted> {
    return this.#http.ask('POST', `/jobs/${id}/resume`, { body: {} });
  }

  startCheck(readData: boolean): Promise<JobStarted> {
    return this.#http.ask('POST', '/check', { body: { read_data: readData } });
  }

  startDamageSearch(snapshot: string): Promise<JobStarted> {
    return this.#http.ask('POST', '/diff/damage-search', { body: { snapshot } });
  }

  startPrune(): Promise<JobStarted> {
    return this.#http.ask('POST', '/prune', { body: {} });
  }

  schedule(signal?: AbortSignal): Promise<ScheduleState> {
    return this.#http.ask('GET', '/schedule', signal === undefined ? {} : { signal });
  }

  setSchedule(schedule: Schedule): Promise<ScheduleState> {
    return this.#http.ask('PUT', '/schedule', { body: schedule });
  }

  previewSchedule(cron: string, zone: string, signal: AbortSignal): Promise<{ readonly next_runs: readonly string[] }> {
    return this.#http.ask('GET', '/schedule/preview', { query: { cron, zone }, signal });
  }

  startNight(): Promise<JobStarted> {
    return this.#http.ask('POST', '/schedule/run', { body: {} });
  }

  snapshots({ cursor, limit, signal, ...only }: PageAsk & SnapshotsAsk = {}): Promise<Pages<Snapshot>> {
    return this.#http.ask('GET', '/snapshots', {
      query: { cursor, limit, ...only },
      ...(signal === undefined ? {} : { signal }),
    });
  }

  changeSnapshots(change: SnapshotChange): Promise<{ readonly changed: readonly Snapshot[] }> {
    return this.#http.ask('PATCH', '/snapshots', { body: change });
  }

  folder({ snapshot, place, cursor, limit, order, descending, signal }: FolderAsk): Promise<Folder> {
    return this.#http.ask('GET', '/tree', {
      query: { snapshot, ...place, cursor, limit, order, descending },
      ...(signal === undefined ? {} : { signal }),
    });
  }

  find({ pattern, snapshot, cursor, limit, signal }: FindAsk): Promise<Pages<Found>> {
    return this.#http.ask('GET', '/find', {
      query: { pattern, ignore_case: true, snapshot, cursor, limit },
      ...(signal === undefined ? {} : { signal }),
    });
  }

  history(
    place: PlaceQuery,
    { cursor, signal }: { readonly cursor: string | undefined; readonly signal: AbortSignal },
  ): Promise<Pages<Version>> {
    return this.#http.ask('GET', '/history', { query: { ...place, cursor, limit: 100 }, signal });
  }

  diff({ before, after, place, cursor, withRows, signal }: DiffAsk): Promise<Diff> {
    const other = after === undefined ? { live: true } : { after };
    const query = { before, ...other, ...place, cursor, rows: withRows, limit: 500 };
    return this.#http.ask('GET', '/diff', { query, signal });
  }

  contentAddress(snapshot: string, place: PlaceQuery, { inline }: { readonly inline: boolean }): string {
    return this.#http.address('/content', { snapshot, ...place, inline: inline ? true : undefined });
  }

  /** The beginning of a file, as text. */
  text(snapshot: string, place: PlaceQuery, { bytes, signal }: TextAsk): Promise<string> {
    return this.#http.text('/content', { snapshot, ...place, inline: true }, { bytes, signal });
  }

  zipAddress(snapshot: string, place: PlaceQuery): string {
    return this.#http.address('/zip', { snapshot, ...place });
  }

  stats(signal?: AbortSignal): Promise<Stats> {
    return this.#http.ask('GET', '/stats', { query: { days: 60 }, ...(signal === undefined ? {} : { signal }) });
  }

  repository(signal?: AbortSignal): Promise<RepositoryFacts> {
    return this.#http.ask('GET', '/repository', signal === undefined ? {} : { signal });
  }

  backups({ cursor, limit, signal }: PageAsk = {}): Promise<Pages<Backup>> {
    return this.#http.ask('GET', '/backups', {
      query: { cursor, limit },
      ...(signal === undefined ? {} : { signal }),
    });
  }

  createBackup(includes: { readonly books: boolean; readonly covers: boolean }): Promise<JobStarted> {
    return this.#http.ask('POST', '/backups', {
      body: { includes_books: includes.books, includes_covers: includes.covers },
    });
  }

  planBackupRestore(id: number): Promise<JobStarted> {
    return this.#http.ask('POST', `/backups/${id}/plan`, { body: {} });
  }

  restoreBackup(id: number): Promise<JobStarted> {
    return this.#http.ask('POST', `/backups/${id}/restore`, { body: { confirm: true } });
  }

  uploadBackup(
    file: Blob,
    sending: { readonly signal: AbortSignal; readonly onProgress: (part: number) => void },
  ): Promise<JobStarted & { readonly upload: Upload }> {
    return this.#http.send('/backups/upload', file, sending);
  }

  upload(id: number, signal: AbortSignal): Promise<Upload> {
    return this.#http.ask('GET', `/uploads/${id}`, { signal });
  }

  removeUpload(id: number): Promise<void> {
    return this.#http.ask('DELETE', `/uploads/${id}`);
  }

  restoreUpload(id: number, mappings: readonly Mapping[], profile: string | undefined): Promise<JobStarted> {
    const place = mappings.length === 0 ? {} : { mappings, ...(profile === undefined ? {} : { profile }) };
    return this.#http.ask('POST', `/uploads/${id}/restore`, { body: { confirm: true, ...place } });
  }

  restores(limit: number, signal: AbortSignal): Promise<Pages<Job>> {
    return this.#http.ask('GET', '/restores', { query: { kind: ['restore', 'restore-upload'], limit }, signal });
  }

  planRestore(question: RestoreQuestion): Promise<JobStarted> {
    return this.#http.ask('POST', '/restores/plan', { body: question });
  }

  startRestore(question: RestoreQuestion, confirmation: RestoreConfirmation): Promise<JobStarted> {
    return this.#http.ask('POST', '/restores', { body: { ...question, confirm: true, ...confirmation } });
  }

  /** `safetySnapshot`: of the restore that is to be undone, which has to be the last one. */
  rollBackRestore(safetySnapshot: string): Promise<JobStarted> {
    return this.#http.ask('POST', '/restores/rollback', { body: { confirm: true, safety_snapshot: safetySnapshot } });
  }

  library(signal?: AbortSignal): Promise<LibraryState> {
    return this.#http.ask('GET', '/settings/library', signal === undefined ? {} : { signal });
  }

  setLibrary(library: Library): Promise<LibraryState> {
    return this.#http.ask('PUT', '/settings/library', { body: library });
  }

  detectLibrary(): Promise<JobStarted> {
    return this.#http.ask('POST', '/settings/library/detect', { body: {} });
  }

  /** What retention would keep. Without days: by the rules that nights follow. */
  retentionPlan(
    days: number | undefined,
    { cursor, signal }: { readonly cursor: string | undefined; readonly signal: AbortSignal },
  ): Promise<RetentionPlan> {
    const rules = days === undefined ? {} : { keep_within: `${days}d`, label: [BACKUP_LABEL] };
    return this.#http.ask('GET', '/retention/plan', { query: { ...rules, cursor, limit: 100 }, signal });
  }

  deleteBackup(id: number): Promise<JobStarted | undefined> {
    return this.#http.ask('DELETE', `/backups/${id}`);
  }

  backupDownload(id: number): string {
    return this.#http.address(`/backups/${id}/download`);
  }

  notifications(signal?: AbortSignal): Promise<Notifications> {
    return this.#http.ask('GET', '/settings/notifications', signal === undefined ? {} : { signal });
  }

  setNotifications(notifications: NotificationsInput): Promise<Notifications> {
    return this.#http.ask('PUT', '/settings/notifications', { body: notifications });
  }

  testNotifications(): Promise<Deliveries> {
    return this.#http.ask('POST', '/settings/notifications/test', { body: {} });
  }

  keys(signal?: AbortSignal): Promise<Keys> {
    return this.#http.ask('GET', '/repository/keys', signal === undefined ? {} : { signal });
  }

  /** `present`: undefined where the repository has no password. */
  addKey(present: string | undefined, next: string, label: string): Promise<unknown> {
    const password = present === undefined ? {} : { password: present };
    return this.#http.ask('POST', '/repository/keys', { body: { ...password, new_password: next, label } });
  }

  removeKey(present: string | undefined, id: string): Promise<void> {
    const password = present === undefined ? {} : { password: present };
    return this.#http.ask('POST', '/repository/keys/remove', { body: { ...password, id } });
  }

  /** How audits went, the newest first. */
  audits(signal?: AbortSignal): Promise<{ readonly items: readonly Audit[] }> {
    return this.#http.ask('GET', '/check', { query: { limit: 1 }, ...(signal === undefined ? {} : { signal }) });
  }

  users(signal?: AbortSignal): Promise<{ readonly items: readonly User[] }> {
    return this.#http.ask('GET', '/users', signal === undefined ? {} : { signal });
  }

  addUser(name: string, password: string): Promise<{ readonly user: User }> {
    return this.#http.ask('POST', '/users', { body: { name, password } });
  }

  removeUser(id: number): Promise<void> {
    return this.#http.ask('DELETE', `/users/${id}`);
  }

  changePassword(password: string, next: string): Promise<void> {
    return this.#http.ask('PUT', '/session/password', { body: { password, new_password: next } });
  }

  tokens(signal?: AbortSignal): Promise<{ readonly items: readonly Token[] }> {
    return this.#http.ask('GET', '/tokens', signal === undefined ? {} : { signal });
  }

  addToken(name: string, scopes: readonly Scope[]): Promise<{ readonly token: Token; readonly secret: string }> {
    return this.#http.ask('POST', '/tokens', { body: { name, scopes } });
  }

  removeToken(id: number): Promise<void> {
    return this.#http.ask('DELETE', `/tokens/${id}`);
  }
}
