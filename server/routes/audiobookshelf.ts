/**
 * What clients of Audiobookshelf ask of its backups, answered with ours: the same addresses and fields, and each answer
 * comes when the work is done. A backup here is the database and the metadata, as that server's own are; a file is the one
 * that it applies. Unlike there, nothing is changed by a GET, and an upload is checked before anything else sees it.
 */

import multipart from '@fastify/multipart';
import { Type } from 'typebox';
import { exportSnapshot } from '../../engine/index.ts';
import { nameOf } from '../auth/identity.ts';
import { type ServerBackupView, serverBackupView } from '../backups/audiobookshelf.ts';
import { removeBackup, startBackup } from '../backups/create.ts';
import { rescanBackups } from '../backups/rescan.ts';
import { restoreOptionsOf, snapshotOf, startRestore } from '../backups/restore.ts';
import type { Uploads } from '../backups/uploads.ts';
import type { App, ServerContext } from '../context.ts';
import type { Job } from '../jobs/job.ts';
import { SERVER_BACKUPS_LISTED_MAX, UPLOAD_BYTES_MAX } from '../limits.ts';
import { ServerError } from '../problems.ts';
import { SCHEDULE } from '../schedule/schedule.ts';
import { IdParameters } from '../schemas.ts';
import { getBackup } from './backups.ts';

/** Not in the description of our own API: whoever writes something new has that one. */
const HIDDEN = { hide: true } as const;

export function audiobookshelfRoutes(app: App, context: ServerContext, uploads: Uploads): void {
  const { jobs, state, settings, options, downloads } = context;

  const list = (): { readonly backups: readonly ServerBackupView[] } => {
    const { zone } = settings.get(SCHEDULE);
    const { location, backup } = options;
    const shown = { location, zone, program: backup.program ?? 'snap' };
    const completed = state.backups.listWithStatus('COMPLETED').slice(0, SERVER_BACKUPS_LISTED_MAX);
    return { backups: completed.map((record) => serverBackupView(record, shown)) };
  };
  const done = async (job: Job): Promise<void> => {
    const { status, error } = await jobs.untilOver(job.id);
    if (status !== 'COMPLETED') throw new ServerError('CONFLICT', error?.message ?? 'It was cancelled');
  };

  app.get('/backups', { config: { access: 'read' }, schema: HIDDEN }, async () => ({
    ...list(),
    backupLocation: options.location,
    // People are not to change it from there.
    backupPathEnvSet: true,
  }));

  app.post('/backups', { config: { access: 'backup' }, schema: HIDDEN }, async ({ identity }) => {
    const includes = { books: false, covers: true };
    const { job } = startBackup(context, { includes, trigger: 'manual', createdBy: nameOf(identity) });
    await done(job);
    return list();
  });

  app.delete(
    '/backups/:id',
    { config: { access: 'admin' }, schema: { ...HIDDEN, params: IdParameters } },
    async ({ params, identity }) => {
      const job = removeBackup(context, getBackup(context, params.id), nameOf(identity));
      if (job !== undefined) await done(job);
      return list();
    },
  );

  app.get(
    '/backups/:id/download',
    { config: { access: 'read' }, schema: { ...HIDDEN, params: IdParameters } },
    async ({ params }, reply) => {
      const record = getBackup(context, params.id);
      const repository = await context.repository();
      const snapshot = snapshotOf(record);
      return downloads.sendUnmeasured(reply, {
        name: Buffer.from(`${record.backupId}.audiobookshelf`),
        open: (signal) => exportSnapshot(repository, { snapshot, format: 'audiobookshelf', signal }),
      });
    },
  );

  app.get(
    '/backups/:id/apply',
    { config: { access: 'restore' }, schema: { ...HIDDEN, params: IdParameters } },
    async () => {
      throw new ServerError('METHOD_WRONG', 'To apply a backup changes things: ask for it with POST', {
        allow: 'POST',
      });
    },
  );

  app.post(
    '/backups/:id/apply',
    { config: { access: 'restore' }, schema: { ...HIDDEN, params: IdParameters } },
    async ({ params, identity }) => {
      const record = getBackup(context, params.id);
      const place = { mappings: [], profile: undefined };
      const restoreOptions = restoreOptionsOf(snapshotOf(record), place);
      const title = `Restore of ${record.backupId}`;
      await done(startRestore(context, { options: restoreOptions, title, createdBy: nameOf(identity) }));
      return {};
    },
  );

  app.register(async (scope) => {
    await scope.register(multipart, { limits: { files: 1, fileSize: UPLOAD_BYTES_MAX, fields: 10 } });
    (scope as App).post(
      '/backups/upload',
      { config: { access: 'restore' }, schema: { ...HIDDEN, response: { 200: Type.Any() } } },
      async (request) => {
        const part = request.isMultipart() ? await request.file() : undefined;
        if (part === undefined) throw new ServerError('REQUEST_INVALID', 'The form has no file in it');
        const job = await uploads.importServerBackup(part.file, { createdBy: nameOf(request.identity) });
        await done(job);
        await rescanBackups(context);
        return list();
      },
    );
  });
}
