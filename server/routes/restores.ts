/** Restores of any snapshot and any paths: what one would do, the one that does it, those that were, and the way back. */

import { Type } from 'typebox';
import { nameOf } from '../auth/identity.ts';
import { startRestore } from '../backups/restore.ts';
import type { App, ServerContext } from '../context.ts';
import { PAGE_ITEMS_DEFAULT } from '../limits.ts';
import { Confirm } from '../restores/place.ts';
import { askedRestore, RestoreQuestionFields } from '../restores/question.ts';
import { rollbackOptions } from '../restores/rollback.ts';
import {
  CLOSED,
  Count,
  JobIdCursor,
  JobSchema,
  JobStarted,
  Page,
  PageQuery,
  PROBLEM_RESPONSES,
  Words,
} from '../schemas.ts';
import { pageOfJobs } from './job-pages.ts';
import { sendJob } from './send-job.ts';

const RESTORE_KINDS = ['restore', 'restore-upload', 'restore-plan'] as const;

const Removals = {
  confirm_removals: Type.Optional({
    ...Count,
    description:
      'How many entries it removes, as `removals.count` of the plan says; none where this is not given. Where it would be another number, the job fails with DELETION_REFUSED and nothing is changed',
  }),
  confirm_digest: Type.Optional(
    Type.String({
      pattern: '^[0-9a-f]{64}$',
      description: '`removals.digest` of the plan: it has to be the same entries, too',
    }),
  ),
} as const;

export function restoreRoutes(app: App, context: ServerContext): void {
  declareList(app, context);
  declarePlan(app, context);
  declareRestore(app, context);
  declareRollback(app, context);
}

function declareList(app: App, { jobs }: ServerContext): void {
  app.get(
    '/restores',
    {
      config: { access: 'read' },
      schema: {
        summary: 'List restores, the newest first: jobs of their kinds',
        querystring: Type.Object({
          ...PageQuery,
          cursor: JobIdCursor,
          kind: Type.Optional(Type.Array(Words(RESTORE_KINDS), { maxItems: RESTORE_KINDS.length })),
        }),
        response: { 200: Page(JobSchema), ...PROBLEM_RESPONSES },
      },
    },
    async ({ query }) => {
      const { cursor: before, limit = PAGE_ITEMS_DEFAULT, kind: kinds = RESTORE_KINDS } = query;
      return pageOfJobs(jobs, { before, limit, kinds });
    },
  );
}

function declarePlan(app: App, { jobs, options, repository }: ServerContext): void {
  app.post(
    '/restores/plan',
    {
      // It names what lies at any place of this machine, which whoever may only read backups may not look at.
      config: { access: 'restore' },
      schema: {
        summary: 'What a restore of a snapshot, or of paths of it, would do, compared with what is there',
        description:
          'The result of the job: files and bytes to create, replace, compare and remove, databases to swap, `removals` to confirm, and some entries of each kind.',
        body: Type.Object(RestoreQuestionFields, CLOSED),
        response: { 202: JobStarted, ...PROBLEM_RESPONSES },
      },
    },
    async ({ body, identity }, reply) => {
      const asked = await askedRestore(await repository(), body);
      const job = jobs.start({
        kind: 'restore-plan',
        request: { options: asked.options, withEntries: true },
        title: `What a restore of ${asked.what} would do`,
        trigger: 'manual',
        createdBy: nameOf(identity),
      });
      return sendJob(reply, options, job);
    },
  );
}

function declareRestore(app: App, context: ServerContext): void {
  const { options, repository } = context;
  app.post(
    '/restores',
    {
      config: { access: 'restore' },
      schema: {
        summary: 'Restore a snapshot, or paths of it, to where it came from or into another folder',
        description:
          'In place a snapshot of what is there is taken before anything changes, which POST /api/v1/restores/rollback brings back. TARGET_IN_USE of the job: a server runs on the database. Stop it, then POST /api/v1/jobs/{id}/resume goes on. Commands of the configuration file before and after "restore" do that by themselves; they are not run for a target.',
        body: Type.Object({ ...RestoreQuestionFields, confirm: Confirm, ...Removals }, CLOSED),
        response: { 202: JobStarted, ...PROBLEM_RESPONSES },
      },
    },
    async ({ body, identity }, reply) => {
      const asked = await askedRestore(await repository(), body);
      const { confirm_removals: count = 0, confirm_digest: digest } = body;
      const job = startRestore(context, {
        options: { ...asked.options, agreedRemovals: digest === undefined ? { count } : { count, digest } },
        title: `Restore of ${asked.what}`,
        createdBy: nameOf(identity),
        withCommands: asked.isInPlace,
      });
      return sendJob(reply, options, job);
    },
  );
}

function declareRollback(app: App, context: ServerContext): void {
  const { options, repository } = context;
  app.post(
    '/restores/rollback',
    {
      config: { access: 'restore' },
      schema: {
        summary: 'Undo the last restore in place: what was there before comes back',
        body: Type.Object(
          {
            confirm: Confirm,
            safety_snapshot: Type.Optional(
              Type.String({
                pattern: '^[0-9a-f]{64}$',
                description:
                  'As the result of the restore names it: refused where another restore in place came after that one',
              }),
            ),
          },
          CLOSED,
        ),
        response: { 202: JobStarted, ...PROBLEM_RESPONSES },
      },
    },
    async ({ body, identity }, reply) => {
      const job = startRestore(context, {
        options: await rollbackOptions(await repository(), body.safety_snapshot),
        title: 'Undo the last restore',
        createdBy: nameOf(identity),
      });
      return sendJob(reply, options, job);
    },
  );
}
