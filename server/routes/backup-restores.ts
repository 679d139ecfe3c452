/** Restores of backups of the library, and what they would do. */

import { Type } from 'typebox';
import { nameOf } from '../auth/identity.ts';
import { restoreOptionsOf, snapshotOf, startRestore } from '../backups/restore.ts';
import type { App, ServerContext } from '../context.ts';
import { Confirm, placeOf, RestorePlaceFields } from '../restores/place.ts';
import { CLOSED, IdParameters, JobStarted, PROBLEM_RESPONSES } from '../schemas.ts';
import { getBackup } from './backups.ts';
import { sendJob } from './send-job.ts';

export function backupRestoreRoutes(app: App, context: ServerContext): void {
  const { jobs, options } = context;

  app.post(
    '/backups/:id/plan',
    {
      config: { access: 'read' },
      schema: {
        summary: 'What a restore of a backup would do, compared with what is there',
        params: IdParameters,
        body: Type.Object(RestorePlaceFields, CLOSED),
        response: { 202: JobStarted, ...PROBLEM_RESPONSES },
      },
    },
    async ({ params, body, identity }, reply) => {
      const record = getBackup(context, params.id);
      const job = jobs.start({
        kind: 'restore-plan',
        request: { options: restoreOptionsOf(snapshotOf(record), placeOf(body)) },
        title: `What a restore of ${record.backupId} would do`,
        trigger: 'manual',
        createdBy: nameOf(identity),
      });
      return sendJob(reply, options, job);
    },
  );

  app.post(
    '/backups/:id/restore',
    {
      config: { access: 'restore' },
      schema: {
        summary: 'Restore a backup: the database goes back to its moment, files that it does not have stay',
        description:
          'TARGET_IN_USE of the job: a server runs on the database. Stop it, then POST /api/v1/jobs/{id}/resume goes on. Commands of the configuration file before and after "restore" do that by themselves.',
        params: IdParameters,
        body: Type.Object({ confirm: Confirm, ...RestorePlaceFields }, CLOSED),
        response: { 202: JobStarted, ...PROBLEM_RESPONSES },
      },
    },
    async ({ params, body, identity }, reply) => {
      const record = getBackup(context, params.id);
      const job = startRestore(context, {
        options: restoreOptionsOf(snapshotOf(record), placeOf(body)),
        title: `Restore of ${record.backupId}`,
        createdBy: nameOf(identity),
      });
      return sendJob(reply, options, job);
    },
  );
}
