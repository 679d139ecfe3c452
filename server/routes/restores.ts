/** Restores of backups, what they would do, and the way back from one. */

import { Type } from 'typebox';
import { PROFILES } from '../../engine/index.ts';
import { nameOf } from '../auth/identity.ts';
import { type RestorePlace, restoreOptionsOf, snapshotOf, startRestore } from '../backups/restore.ts';
import type { App, ServerContext } from '../context.ts';
import { ServerError } from '../problems.ts';
import { CLOSED, IdParameters, JobStarted, PROBLEM_RESPONSES } from '../schemas.ts';
import { getBackup } from './backups.ts';
import { sendJob } from './send-job.ts';

const AbsolutePath = Type.String({ minLength: 1, maxLength: 4096, pattern: '^/' });

export const RestorePlaceFields = {
  mappings: Type.Optional(
    Type.Array(Type.Object({ from: AbsolutePath, to: AbsolutePath }, CLOSED), {
      maxItems: 100,
      description: 'Folders that go elsewhere; what none covers goes to where it came from',
    }),
  ),
  profile: Type.Optional(
    Type.String({ maxLength: 100, description: 'Whose databases have paths in them that follow the mappings' }),
  ),
} as const;

export const Confirm = Type.Literal(true, { description: 'Somebody saw what it does and wants it' });

export function placeOf(body: {
  readonly mappings?: readonly { readonly from: string; readonly to: string }[];
  readonly profile?: string;
}): RestorePlace {
  const { mappings = [], profile } = body;
  if (profile !== undefined && !PROFILES.some(({ name }) => name === profile)) {
    throw new ServerError('REQUEST_INVALID', `There is no profile "${profile}"`);
  }
  return { mappings: mappings.map(({ from, to }) => ({ from: Buffer.from(from), to: Buffer.from(to) })), profile };
}

export function restoreRoutes(app: App, context: ServerContext): void {
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

  app.post(
    '/restores/rollback',
    {
      config: { access: 'restore' },
      schema: {
        summary: 'Undo the last restore in place: what was there before comes back',
        body: Type.Object({ confirm: Confirm }, CLOSED),
        response: { 202: JobStarted, ...PROBLEM_RESPONSES },
      },
    },
    async ({ identity }, reply) => {
      const job = startRestore(context, {
        options: { rollback: true },
        title: 'Undo the last restore',
        createdBy: nameOf(identity),
      });
      return sendJob(reply, options, job);
    },
  );
}
