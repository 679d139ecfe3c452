/** The file of a backup: downloaded as one zip, from any byte on. */

import { Readable } from 'node:stream';
import { Type } from 'typebox';
import { BackupArchives } from '../backups/archive.ts';
import { libraryOf } from '../backups/library.ts';
import { snapshotOf } from '../backups/restore.ts';
import { goneSignal } from '../client.ts';
import type { App, ServerContext } from '../context.ts';
import { rangeOf } from '../range.ts';
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
      const archive = await archives.open(repository, snapshot, { library, signal });
      const { bytes, etag } = archive;
      reply.header('etag', etag).header('accept-ranges', 'bytes').header('cache-control', 'private, no-cache');
      if (request.headers['if-none-match']?.split(/ *, */).includes(etag) === true) return reply.code(304).send(null);
      const range = rangeOf(request.headers, archive);
      const { start, end } = range ?? { start: 0, end: bytes };
      if (range !== undefined) reply.code(206).header('content-range', `bytes ${start}-${end - 1}/${bytes}`);
      reply
        .type('application/zip')
        .header('content-length', end - start)
        .header('content-disposition', `attachment; filename="backup-${safeName(record.backupId)}.zip"`);
      // Of a stream, fastify leaves the length as it was said.
      if (request.method === 'HEAD') return reply.send(Readable.from([]));
      return reply.send(Readable.from(archive.read({ start, end, signal }), { objectMode: false }));
    },
  );
}

function safeName(name: string): string {
  return name.replaceAll(/[^\w.-]/g, '_');
}
