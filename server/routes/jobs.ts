/** Running and past jobs, and what starts the plain ones. */

import { Type } from 'typebox';
import { nameOf } from '../auth/identity.ts';
import type { App, ServerContext } from '../context.ts';
import { JOB_STATUSES } from '../jobs/job.ts';
import { PAGE_ITEMS_DEFAULT } from '../limits.ts';
import { notFound, ServerError } from '../problems.ts';
import {
  IdParameters,
  JobIdCursor,
  JobSchema,
  JobStarted,
  Page,
  PageQuery,
  PROBLEM_RESPONSES,
  Words,
} from '../schemas.ts';
import { jobView } from '../views.ts';
import { pageOfJobs } from './job-pages.ts';
import { sendJob } from './send-job.ts';

const JobDetails = Type.Object({
  job: JobSchema,
  lines: Type.Array(Type.String()),
  problems: Type.Array(
    Type.Object({
      path: Type.String(),
      during: Type.String(),
      code: Type.String(),
      message: Type.String(),
      pathBase64: Type.Optional(Type.String()),
    }),
  ),
});

export function jobRoutes(app: App, { jobs, options }: ServerContext): void {
  app.get(
    '/jobs',
    {
      config: { access: 'read' },
      schema: {
        summary: 'List jobs, the newest first',
        querystring: Type.Object({
          ...PageQuery,
          cursor: JobIdCursor,
          status: Type.Optional(Type.Array(Words(JOB_STATUSES), { maxItems: JOB_STATUSES.length })),
        }),
        response: { 200: Page(JobSchema), ...PROBLEM_RESPONSES },
      },
    },
    async ({ query }) => {
      const { cursor: before, limit = PAGE_ITEMS_DEFAULT, status: statuses } = query;
      return pageOfJobs(jobs, { before, limit, statuses });
    },
  );

  app.get(
    '/jobs/:id',
    {
      config: { access: 'read' },
      schema: {
        summary: 'One job with its log',
        params: IdParameters,
        response: { 200: JobDetails, ...PROBLEM_RESPONSES },
      },
    },
    async ({ params }) => {
      const found = jobs.find(params.id);
      if (found === undefined) throw notFound(`There is no job ${params.id}`);
      const { job, progress } = found;
      return { job: jobView(job, progress), lines: [...job.lines], problems: [...job.problems] };
    },
  );

  app.delete(
    '/jobs/:id',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Cancel a job: one that runs ends soon, and what it stored is kept',
        params: IdParameters,
        response: { 202: JobStarted, ...PROBLEM_RESPONSES },
      },
    },
    async ({ params }, reply) => {
      const isThere = jobs.cancel(params.id);
      const found = jobs.find(params.id);
      if (found === undefined) throw notFound(`There is no job ${params.id}`);
      if (!isThere) throw new ServerError('CONFLICT', `Job ${params.id} is over already`);
      reply.code(202);
      return { job: jobView(found.job, found.progress) };
    },
  );

  app.post(
    '/jobs/:id/resume',
    {
      config: { access: 'restore' },
      schema: {
        summary: 'Go on with a restore that was cut off',
        params: IdParameters,
        response: { 202: JobStarted, ...PROBLEM_RESPONSES },
      },
    },
    async ({ params, identity }, reply) => {
      const job = jobs.resume(params.id, nameOf(identity));
      return sendJob(reply, options, job);
    },
  );
}
