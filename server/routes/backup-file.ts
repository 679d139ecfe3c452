/** The file of a backup: downloaded as one zip, from any byte on. */

import { Type } from 'typebox';
import { BackupArchives } from '../backups/archive.ts';
import { libraryOf } from '../backups/library.ts';
import { snapshotOf } from '../backups/restore.ts';
import { goneSignal } from '../client.ts';
import type { App, ServerContext } from '../context.ts';
import { presentationOf } from '../downloads.ts';
import { IdParameters, PROBLEM_RESPONSES } from '../schemas.ts';
import { getBackup } from './backups.ts';

export function backupFileRoutes(app: App, context: ServerContext): void {
  const archives = new BackupArchives();

  app.get(
    '/backups/:id/download',
    {
      config: { access: 'read' },
      schema: {
        summary: 'Download a backup as one zip: manifest.json, database/, covers/, books/',
        description:
          'With its length, an ETag, and ranges: a download that was cut off goes on. Made while it is sent.',
        params: IdParameters,
        headers: Type.Object({
          range: Type.Optional(Type.String({ maxLength: 200 })),
          'if-range': Type.Optional(Type.String({ maxLength: 200 })),
          'if-none-match': Type.Optional(Type.String({ maxLength: 1000 })),
        }),
        response: {
          200: Type.Any({ description: 'application/zip' }),
          206: Type.Any({ description: 'The range that was asked for' }),
          304: Type.Null({ description: 'The client has it' }),
          ...PROBLEM_RESPONSES,
        },
      },
    },
    async (request, reply) => {
      const record = getBackup(context, request.params.id);
      const repository = await context.repository();
      const snapshot = await repository.snapshots.find(snapshotOf(record));
      const signal = goneSignal(reply);
      const { library } = libraryOf(context.settings);
      const { bytes, tag, read } = await archives.open(repository, snapshot, { library, signal });
      const name = Buffer.from(`backup-${safeName(record.backupId)}.zip`);
      const { disposition } = presentationOf(name, { inline: false });
      return context.downloads.send(request, reply, { bytes, tag, type: 'application/zip', disposition, open: read });
    },
  );
}

function safeName(name: string): string {
  return name.replaceAll(/[^\w.-]/g, '_');
}
