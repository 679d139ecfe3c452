/** Jobs that wait, run, or are over. */

import { deserialize, serialize } from 'node:v8';
import type { ErrorCode, Problem } from '../../engine/index.ts';
import { isOver, type Job, type JobOutcome, type JobStatus, type JobTrigger } from '../jobs/job.ts';
import { JOBS_KEPT_MAX } from '../limits.ts';
import type { StateDatabase } from './database.ts';

interface JobRow {
  readonly id: number;
  readonly kind: string;
  readonly status: string;
  readonly trigger: string;
  readonly created_by: string;
  readonly created_ms: number;
  readonly started_ms: number | null;
  readonly ended_ms: number | null;
  readonly title: string;
  /** Whether there is one. */
  readonly has_request: number;
  readonly outcome: string | null;
  readonly result: string | null;
  readonly error_code: string | null;
  readonly reason: string | null;
  readonly problems: string;
  readonly problem_count: number;
  readonly lines: string;
}

export interface NewJob {
  readonly kind: string;
  readonly trigger: JobTrigger;
  readonly createdBy: string;
  readonly createdMs: number;
  readonly title: string;
  /** Kept where one that is cut off can go on with it. */
  readonly request?: unknown;
}

export interface JobPage {
  /** Only jobs with a smaller id: a list begins with the newest. */
  readonly before?: number | undefined;
  readonly limit: number;
  readonly statuses?: readonly JobStatus[] | undefined;
  readonly kinds?: readonly string[] | undefined;
}

const COLUMNS = `id, kind, status, "trigger", created_by, created_ms, started_ms, ended_ms, title,
  request IS NOT NULL AS has_request, outcome, result, error_code, reason, problem_count`;
/** Lists do without what may be long. */
const LIST_COLUMNS = `${COLUMNS}, '[]' AS problems, '[]' AS lines`;
const ALL_COLUMNS = `${COLUMNS}, problems, lines`;

export class JobStore {
  readonly #database: StateDatabase;

  constructor(database: StateDatabase) {
    this.#database = database;
  }

  add(job: NewJob): Job {
    const { kind, trigger, createdBy, createdMs, title, request } = job;
    const { lastInsertRowid } = this.#database
      .prepare(
        `INSERT INTO jobs (kind, status, "trigger", created_by, created_ms, title, request)
         VALUES (?, 'QUEUED', ?, ?, ?, ?, ?)`,
      )
      .run(kind, trigger, createdBy, createdMs, title, request === undefined ? null : serialize(request));
    this.#removeOld();
    return this.get(Number(lastInsertRowid));
  }

  find(id: number): Job | undefined {
    const row = this.#database.prepare(`SELECT ${ALL_COLUMNS} FROM jobs WHERE id = ?`).get(id) as JobRow | undefined;
    return row === undefined ? undefined : jobOf(row);
  }

  /** One that is known to be there. */
  get(id: number): Job {
    const job = this.find(id);
    if (job === undefined) throw new Error(`Job ${id} is not in the state database`);
    return job;
  }

  /** The newest of a kind. */
  findLast(kind: string): Job | undefined {
    const row = this.#database
      .prepare(`SELECT ${LIST_COLUMNS} FROM jobs WHERE kind = ? ORDER BY id DESC LIMIT 1`)
      .get(kind);
    return row === undefined ? undefined : jobOf(row as JobRow);
  }

  /** The newest first, without their problems and lines. */
  list({ before, limit, statuses = [], kinds = [] }: JobPage): Job[] {
    const conditions = `${oneOf('status', statuses)} ${oneOf('kind', kinds)}`;
    const rows = this.#database
      .prepare(`SELECT ${LIST_COLUMNS} FROM jobs WHERE id < ? ${conditions} ORDER BY id DESC LIMIT ?`)
      .all(before ?? Number.MAX_SAFE_INTEGER, ...statuses, ...kinds, limit) as JobRow[];
    return rows.map(jobOf);
  }

  /** Writes down where it stands. */
  save(job: Job): void {
    this.#database
      .prepare(
        `UPDATE jobs SET status = ?, started_ms = ?, ended_ms = ?, outcome = ?, result = ?, error_code = ?, reason = ?,
         problems = ?, problem_count = ?, lines = ? WHERE id = ?`,
      )
      .run(
        job.status,
        job.startedMs ?? null,
        job.endedMs ?? null,
        job.outcome ?? null,
        job.result === undefined ? null : JSON.stringify(job.result),
        job.error?.code ?? null,
        job.error?.message ?? null,
        JSON.stringify(job.problems),
        job.problemCount,
        JSON.stringify(job.lines),
        job.id,
      );
  }

  /** What a job was asked for; undefined where nothing was kept. */
  findRequest(id: number): unknown {
    const bytes = this.#database.prepare('SELECT request FROM jobs WHERE id = ?').pluck().get(id);
    return bytes instanceof Buffer ? (deserialize(bytes) as unknown) : undefined;
  }

  /** From here on it cannot go on. */
  dropRequest(id: number): void {
    this.#database.prepare('UPDATE jobs SET request = NULL WHERE id = ?').run(id);
  }

  /** Those that the end of the server left behind. */
  listUnfinished(): Job[] {
    return this.list({ limit: JOBS_KEPT_MAX, statuses: ['QUEUED', 'RUNNING'] });
  }

  #removeOld(): void {
    this.#database
      .prepare(
        `DELETE FROM jobs WHERE status NOT IN ('QUEUED', 'RUNNING')
         AND id <= (SELECT id FROM jobs ORDER BY id DESC LIMIT 1 OFFSET ?)`,
      )
      .run(JOBS_KEPT_MAX);
  }
}

/** Whatever a column holds where there are no values to choose from. */
function oneOf(column: string, values: readonly string[]): string {
  return values.length === 0 ? '' : `AND ${column} IN (${values.map(() => '?').join(', ')})`;
}

function jobOf(row: JobRow): Job {
  const job: Job = {
    id: row.id,
    kind: row.kind,
    status: row.status as JobStatus,
    trigger: row.trigger as JobTrigger,
    createdBy: row.created_by,
    createdMs: row.created_ms,
    startedMs: row.started_ms ?? undefined,
    endedMs: row.ended_ms ?? undefined,
    title: row.title,
    outcome: (row.outcome ?? undefined) as JobOutcome | undefined,
    result: row.result === null ? undefined : JSON.parse(row.result),
    error: row.error_code === null ? undefined : { code: row.error_code as ErrorCode, message: row.reason ?? '' },
    problems: JSON.parse(row.problems) as Problem[],
    problemCount: row.problem_count,
    lines: JSON.parse(row.lines) as string[],
    canGoOn: false,
  };
  return { ...job, canGoOn: row.has_request === 1 && isOver(job) && job.status !== 'COMPLETED' };
}
