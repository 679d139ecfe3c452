/** The one place of the page that knows addresses of the API. */

import type {
  Backup,
  Job,
  JobDetails,
  JobStarted,
  JobStatus,
  Library,
  LibraryState,
  Pages,
  RetentionPlan,
  Schedule,
  ScheduleState,
  Scope,
  Session,
  Snapshot,
  Token,
  User,
} from './api-types.ts';
import type { HttpClient } from './http.ts';

export interface PageAsk {
  readonly cursor?: string | undefined;
  readonly limit?: number;
  readonly signal?: AbortSignal;
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

  snapshots({ cursor, limit, signal }: PageAsk = {}): Promise<Pages<Snapshot>> {
    return this.#http.ask('GET', '/snapshots', {
      query: { cursor, limit },
      ...(signal === undefined ? {} : { signal }),
    });
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

  rollBackRestore(): Promise<JobStarted> {
    return this.#http.ask('POST', '/restores/rollback', { body: { confirm: true } });
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
  retentionPlan(days: number | undefined, signal: AbortSignal): Promise<RetentionPlan> {
    const rules = days === undefined ? {} : { keep_within: `${days}d`, label: [BACKUP_LABEL] };
    return this.#http.ask('GET', '/retention/plan', { query: { ...rules, limit: 200 }, signal });
  }

  deleteBackup(id: number): Promise<JobStarted | undefined> {
    return this.#http.ask('DELETE', `/backups/${id}`);
  }

  backupDownload(id: number): string {
    return this.#http.address(`/backups/${id}/download`);
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
