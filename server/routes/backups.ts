/** Backups of the library: made, listed, deleted. A backup is a snapshot; its row only says more of it. */

import { Type } from 'typebox';
import { nameOf } from '../auth/identity.ts';
import { removeBackup, startBackup } from '../backups/create.ts';
import { rescanBackups } from '../backups/rescan.ts';
import type { App, ServerContext } from '../context.ts';
import { PAGE_ITEMS_DEFAULT } from '../limits.ts';
import { notFound } from '../problems.ts';
import {
  BackupSchema,
  CLOSED,
  Count,
  IdParameters,
  JobSchema,
  JobStarted,
  Page,
  PageQuery,
  PROBLEM_RESPONSES,
} from '../schemas.ts';
import type { BackupRecord } from '../state/backups.ts';
import { backupView } from '../views.ts';
import { sendJob } from './send-job.ts';

export function getBackup({ state }: ServerContext, id: number): BackupRecord {
  const record = state.backups.find(id);
  if (record === undefined) throw notFound(`There is no backup ${id}`);
  return record;
}

export function backupRoutes(app: App, context: ServerContext): void {
  const { state, options } = context;

  app.get(
    '/backups',
    {
      config: { access: 'read' },
      schema: {
        summary: 'List backups of the library, the newest first',
        querystring: Type.Object({
          ...PageQuery,
          cursor: Type.Optional(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })),
        }),
        response: { 200: Page(BackupSchema), ...PROBLEM_RESPONSES },
      },
    },
    async ({ query }) => {
      const { cursor, limit = PAGE_ITEMS_DEFAULT } = query;
      const before = cursor === undefined ? undefined : getBackup(context, cursor);
      const found = state.backups.list({ before, limit: limit + 1 });
      const items = found.slice(0, limit).map(backupView);
      return { items, next_cursor: found.length > limit ? String(items.at(-1)?.id) : null };
    },
  );

  app.post(
    '/backups',
    {
      config: { access: 'backup' },
      schema: {
        summary: 'Make a backup: the database always, covers and books if they are wanted',
        body: Type.Object(
          { includes_books: Type.Optional(Type.Boolean()), includes_covers: Type.Optional(Type.Boolean()) },
          CLOSED,
        ),
        response: { 202: Type.Object({ job: JobSchema, backup: BackupSchema }), ...PROBLEM_RESPONSES },
      },
    },
    async ({ body, identity }, reply) => {
      const { includes_books: books = false, includes_covers: covers = false } = body;
      const createdBy = nameOf(identity);
      const { job, backup } = startBackup(context, { includes: { books, covers }, trigger: 'manual', createdBy });
      return { ...sendJob(reply, options, job), backup: backupView(backup) };
    },
  );

  app.get(
    '/backups/:id',
    {
      config: { access: 'read' },
      schema: {
        summary: 'One backup',
        params: IdParameters,
        response: { 200: BackupSchema, ...PROBLEM_RESPONSES },
      },
    },
    async ({ params }) => backupView(getBackup(context, params.id)),
  );

  app.delete(
    '/backups/:id',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Delete a backup: its snapshot is forgotten, and a prune frees what nothing else needs',
        params: IdParameters,
        response: {
          202: JobStarted,
          204: Type.Null({ description: 'One that failed: it only left the list' }),
          ...PROBLEM_RESPONSES,
        },
      },
    },
    async ({ params, identity }, reply) => {
      const job = removeBackup(context, getBackup(context, params.id), nameOf(identity));
      if (job !== undefined) return sendJob(reply, options, job);
      reply.code(204);
      return null;
    },
  );

  app.post(
    '/backups/rescan',
    {
      config: { access: 'backup' },
      schema: {
        summary: 'Bring the list in step with the repository',
        body: Type.Object({}, CLOSED),
        response: { 200: Type.Object({ added: Count, removed: Count }), ...PROBLEM_RESPONSES },
      },
    },
    async () => rescanBackups(context),
  );
}
