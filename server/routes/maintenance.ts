/** Long work on the repository that needs no more than a word: an audit, and freeing space. */

import { Type } from 'typebox';
import { nameOf } from '../auth/identity.ts';
import type { App, ServerContext } from '../context.ts';
import { CLOSED, JobStarted, PROBLEM_RESPONSES } from '../schemas.ts';
import { sendJob } from './send-job.ts';

export function maintenanceRoutes(app: App, { jobs, options }: ServerContext): void {
  app.post(
    '/check',
    {
      config: { access: 'backup' },
      schema: {
        summary: 'Audit the repository',
        body: Type.Object(
          {
            read_data: Type.Optional(Type.Boolean({ description: 'Read every byte of it' })),
            read_data_subset: Type.Optional(
              Type.String({ maxLength: 30, description: 'Read a part: 5%, 1/7 or 2G', pattern: '^[0-9./%KMGTiB]+$' }),
            ),
          },
          CLOSED,
        ),
        response: { 202: JobStarted, ...PROBLEM_RESPONSES },
      },
    },
    async ({ body, identity }, reply) => {
      const { read_data: readData, read_data_subset: readDataSubset } = body;
      const job = jobs.start({
        kind: 'check',
        request: { options: { readData, readDataSubset } },
        title: readData === true || readDataSubset !== undefined ? 'Check, with data' : 'Check',
        trigger: 'manual',
        createdBy: nameOf(identity),
      });
      return sendJob(reply, options, job);
    },
  );

  app.post(
    '/prune',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Free the space of what no snapshot needs',
        body: Type.Object({}, CLOSED),
        response: { 202: JobStarted, ...PROBLEM_RESPONSES },
      },
    },
    async ({ identity }, reply) => {
      const job = jobs.start({
        kind: 'prune',
        request: { options: {} },
        title: 'Prune',
        trigger: 'manual',
        createdBy: nameOf(identity),
      });
      return sendJob(reply, options, job);
    },
  );
}
