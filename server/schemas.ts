/**
 * Shapes that several routes share. They validate what comes in, are the types of what goes out, and become the OpenAPI
 * description; so each field says what it is where its name does not.
 */

import { type Static, type TSchema, Type } from 'typebox';
import { SCOPES } from './auth/scopes.ts';
import { JOB_OUTCOMES, JOB_STATUSES, JOB_TRIGGERS } from './jobs/job.ts';
import {
  CURSOR_CHARACTERS_MAX,
  PAGE_ITEMS_DEFAULT,
  PAGE_ITEMS_MAX,
  PASSWORD_CHARACTERS_MAX,
  PASSWORD_CHARACTERS_MIN,
  USER_NAME_CHARACTERS_MAX,
} from './limits.ts';
import { PROBLEM_CODES } from './problems.ts';
import { BACKUP_STATUSES } from './state/backups.ts';

/** One of some words. An enum, since that is what people read in a description. */
export function Words<const Word extends string>(
  words: readonly Word[],
  options: { readonly description?: string } = {},
) {
  return Type.Unsafe<Word>({ type: 'string', enum: [...words], ...options });
}

/** The same, or null. Simple types as a list of types, which is what serializers are fast at. */
export function Nullable<Schema extends TSchema>(schema: Schema) {
  const { type, enum: words } = schema as { readonly type?: unknown; readonly enum?: readonly unknown[] };
  if (typeof type !== 'string' || type === 'object' || type === 'array') return Type.Union([schema, Type.Null()]);
  const withNull = { ...schema, type: [type, 'null'], ...(words === undefined ? {} : { enum: [...words, null] }) };
  return Type.Unsafe<Static<Schema> | null>(withNull);
}

/** An object that holds nothing else. */
export const CLOSED = { additionalProperties: false } as const;

export const Time = Type.String({ format: 'date-time', description: 'ISO 8601' });
export const Bytes = Type.Integer({ minimum: 0, description: 'Bytes' });
export const Count = Type.Integer({ minimum: 0 });

/** What a snapshot is named by in a request: an id, its first digits, `latest`, `latest~2`, `@2026-03-01`. */
export const SnapshotName = Type.String({
  minLength: 1,
  maxLength: 200,
  description: 'An id or its first digits, latest, latest~N, or a moment such as @2026-03-01 or @yesterday',
});

export const PathFields = {
  path: Type.String({
    description: 'Absolute path; a name that is not UTF-8 is approximate, and whole in path_base64',
  }),
  path_base64: Type.Optional(Type.String({ description: 'The bytes of the path, where they are not UTF-8' })),
} as const;

export const PathEntry = Type.Object(PathFields);

/** Query fields of a list in pages. */
export const PageQuery = {
  cursor: Type.Optional(
    Type.String({ maxLength: CURSOR_CHARACTERS_MAX, description: '`next_cursor` of the page before' }),
  ),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: PAGE_ITEMS_MAX, default: PAGE_ITEMS_DEFAULT })),
} as const;

/** Of a list of jobs: the id of the last one of the page before. */
export const JobIdCursor = Type.Optional(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }));

export function Page<Item extends TSchema>(item: Item) {
  return Type.Object({
    items: Type.Array(item),
    next_cursor: Nullable(Type.String({ description: 'Ask with it for the next page; null on the last one' })),
  });
}

export const Problem = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: 'What failed, on which object, and what to do next' }),
    code: Words(PROBLEM_CODES),
  },
  { description: 'Problem details (RFC 9457)' },
);

/** Answers that any route may give. */
const ProblemAnswer = {
  description: 'Problem details (RFC 9457)',
  content: { 'application/problem+json': { schema: Problem } },
} as const;
export const PROBLEM_RESPONSES = { '4xx': ProblemAnswer, '5xx': ProblemAnswer } as const;

/** Answers of a route that sends bytes. */
const BytesContent = { '*/*': { schema: Type.Unsafe<string>({ type: 'string', format: 'binary' }) } };
export const BYTES_RESPONSES = {
  200: { description: 'All of it', content: BytesContent },
  206: { description: 'The range that was asked for', content: BytesContent },
  304: Type.Null({ description: 'It is what the client has' }),
} as const;

export const Scopes = Type.Array(Words(SCOPES), { uniqueItems: true, minItems: 1, maxItems: SCOPES.length });

export const Counts = Type.Object({
  files_new: Count,
  files_changed: Count,
  files_unmodified: Count,
  files_deleted: Count,
  files_moved: Count,
  dirs_new: Count,
  dirs_changed: Count,
  dirs_unmodified: Count,
  total_files_processed: Count,
  total_bytes_processed: Bytes,
  data_added: Bytes,
  data_added_packed: Bytes,
  backup_start: Type.String(),
  backup_end: Type.String(),
  total_duration: Type.Number({ description: 'Seconds' }),
});
export type CountsView = Static<typeof Counts>;

export const SnapshotSchema = Type.Object({
  id: Type.String(),
  short_id: Type.String(),
  time: Type.String({ description: 'ISO 8601 with the offset of the zone' }),
  host: Type.String(),
  user: Type.String(),
  label: Type.String(),
  tags: Type.Array(Type.String()),
  paths: Type.Array(PathEntry),
  parent: Nullable(Type.String()),
  pinned: Type.Boolean({ description: 'Retention never removes it' }),
  suspect: Type.Boolean({ description: 'It has a suspicion that nobody dispelled' }),
  suspicion: Nullable(Type.String()),
  databases: Type.Array(
    Type.Object({
      ...PathFields,
      kind: Type.String(),
      bytes: Bytes,
      check: Type.String(),
      duration_seconds: Type.Number(),
    }),
  ),
  problem_count: Count,
  program: Type.String(),
  summary: Counts,
});
export type SnapshotView = Static<typeof SnapshotSchema>;

export const JobProgressSchema = Type.Object({
  part: Nullable(Type.String({ description: 'Of a job of several parts' })),
  files_done: Count,
  files_total: Nullable(Count),
  bytes_done: Bytes,
  bytes_total: Nullable(Bytes),
  bytes_new: Bytes,
  problems: Count,
  current_path: Nullable(Type.String()),
});
export type JobProgressView = Static<typeof JobProgressSchema>;

export const JobSchema = Type.Object({
  id: Type.Integer(),
  kind: Type.String(),
  status: Words(JOB_STATUSES),
  trigger: Words(JOB_TRIGGERS),
  created_by: Type.String(),
  created_at: Time,
  started_at: Nullable(Time),
  ended_at: Nullable(Time),
  title: Type.String(),
  outcome: Nullable(Words(JOB_OUTCOMES)),
  result: Nullable(Type.Unsafe<{ [name: string]: unknown }>({ type: 'object', additionalProperties: true })),
  error: Nullable(Type.Object({ code: Type.String(), message: Type.String() })),
  problem_count: Count,
  progress: Nullable(JobProgressSchema),
  can_go_on: Type.Boolean({
    description: 'It was cut off, and POST /api/v1/jobs/{id}/resume goes on where it stopped',
  }),
});
export type JobView = Static<typeof JobSchema>;

/** The answer to a request that starts long work. */
export const JobStarted = Type.Object({ job: JobSchema }, { description: 'It runs; its address is in Location' });

/** In the address of a route: short numbers only. */
export const IdParameters = Type.Object({ id: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }) });

export const UserName = Type.String({
  minLength: 1,
  maxLength: USER_NAME_CHARACTERS_MAX,
  // Letters, digits and what stands in names and addresses; nothing that is invisible.
  pattern: '^[\\p{L}\\p{N}](?:[\\p{L}\\p{N} ._@+\\-]*[\\p{L}\\p{N}])?$',
});
export const NewPassword = Type.String({ minLength: PASSWORD_CHARACTERS_MIN, maxLength: PASSWORD_CHARACTERS_MAX });
/** One that is to be compared: whatever was allowed once. */
export const GivenPassword = Type.String({ minLength: 1, maxLength: PASSWORD_CHARACTERS_MAX });

export const BackupSchema = Type.Object({
  id: Type.Integer(),
  backup_id: Type.String({ description: 'What people and scripts name it by' }),
  created_at: Time,
  size_bytes: Nullable(Type.Integer({ minimum: 0, description: 'Bytes of its files; the repository grew by less' })),
  includes_books: Type.Boolean(),
  includes_covers: Type.Boolean(),
  status: Words(BACKUP_STATUSES),
  file_path: Nullable(Type.String({ description: 'The repository, and the snapshot in it' })),
  created_by: Type.String(),
  snapshot_id: Nullable(Type.String()),
  job_id: Nullable(Type.Integer()),
  reason: Nullable(Type.String({ description: 'Why it failed, or is not to be trusted' })),
  trigger: Words(JOB_TRIGGERS),
});
export type BackupView = Static<typeof BackupSchema>;
