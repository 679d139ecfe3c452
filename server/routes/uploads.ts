/** Backups that come as files: received into quarantine, judged, shown, and only then restored. */

import { Readable } from 'node:stream';
import { type Static, Type } from 'typebox';
import { nameOf } from '../auth/identity.ts';
import { UploadPreviewSchema } from '../backups/preview.ts';
import type { Upload } from '../backups/quarantine.ts';
import type { Uploads } from '../backups/uploads.ts';
import type { App, ServerContext } from '../context.ts';
import { ServerError } from '../problems.ts';
import { Confirm, placeOf, RestorePlaceFields } from '../restores/place.ts';
import { Bytes, CLOSED, IdParameters, JobSchema, JobStarted, Nullable, PROBLEM_RESPONSES, Time } from '../schemas.ts';
import { timeView } from '../views.ts';
import { sendJob } from './send-job.ts';

const UploadSchema = Type.Object({
  id: Type.Integer(),
  bytes: Bytes,
  received_at: Time,
  created_by: Type.String(),
  job_id: Nullable(Type.Integer({ description: 'The job that judges it' })),
  restore_job_id: Nullable(Type.Integer()),
  preview: Type.Union([UploadPreviewSchema, Type.Null()], { description: 'Once it was judged and is sound' }),
});

const UPLOAD_TYPES = ['application/zip', 'application/x-zip-compressed', 'application/octet-stream'];

export function uploadRoutes(app: App, { options }: ServerContext, uploads: Uploads): void {
  const view = (upload: Upload): Static<typeof UploadSchema> => ({
    id: upload.id,
    bytes: upload.bytes,
    received_at: timeView(upload.receivedMs),
    created_by: upload.createdBy,
    job_id: upload.jobId ?? null,
    restore_job_id: upload.restoreJobId ?? null,
    preview: uploads.previewOf(upload) ?? null,
  });

  app.register(async (scope) => {
    // The bytes go to the disk as they come: nothing of an upload is gathered in memory.
    scope.addContentTypeParser(UPLOAD_TYPES, (_request, payload, done) => done(null, payload));
    (scope as App).post(
      '/backups/upload',
      {
        config: { access: 'restore' },
        schema: {
          summary: 'Upload the file of a backup; it is judged, and nothing is changed',
          description:
            'The body is the file itself. The job fails with the reason where it is refused, and the file is gone.',
          consumes: UPLOAD_TYPES,
          response: { 202: Type.Object({ job: JobSchema, upload: UploadSchema }), ...PROBLEM_RESPONSES },
        },
      },
      async (request, reply) => {
        const { body, headers, identity } = request;
        if (!(body instanceof Readable)) {
          throw new ServerError('REQUEST_INVALID', 'The body has to be the file, as application/zip');
        }
        const length = headers['content-length'];
        const declaredBytes = length === undefined ? undefined : Number(length);
        const { upload, job } = await uploads.receive(body, { declaredBytes, createdBy: nameOf(identity) });
        return { ...sendJob(reply, options, job), upload: view(upload) };
      },
    );
  });

  app.get(
    '/uploads',
    {
      config: { access: 'read' },
      schema: {
        summary: 'Uploads that lie in quarantine',
        response: { 200: Type.Object({ items: Type.Array(UploadSchema) }), ...PROBLEM_RESPONSES },
      },
    },
    async () => ({ items: uploads.list().map(view) }),
  );

  app.get(
    '/uploads/:id',
    {
      config: { access: 'read' },
      schema: {
        summary: 'One upload: when and where it was made, what it holds, what a restore would change',
        params: IdParameters,
        response: { 200: UploadSchema, ...PROBLEM_RESPONSES },
      },
    },
    async ({ params }) => view(uploads.get(params.id)),
  );

  app.delete(
    '/uploads/:id',
    {
      config: { access: 'restore' },
      schema: {
        summary: 'Throw an upload away',
        params: IdParameters,
        response: { 204: Type.Null({ description: 'It is gone' }), ...PROBLEM_RESPONSES },
      },
    },
    async ({ params }, reply) => {
      uploads.remove(uploads.get(params.id));
      reply.code(204);
      return null;
    },
  );

  app.post(
    '/uploads/:id/restore',
    {
      config: { access: 'restore' },
      schema: {
        summary: 'Restore an upload: it becomes a snapshot of the repository, and is restored from there',
        description: 'As POST /api/v1/backups/{id}/restore. Folders that are not of this library need a mapping.',
        params: IdParameters,
        body: Type.Object({ confirm: Confirm, ...RestorePlaceFields }, CLOSED),
        response: { 202: JobStarted, ...PROBLEM_RESPONSES },
      },
    },
    async ({ params, body, identity }, reply) => {
      const createdBy = nameOf(identity);
      return sendJob(reply, options, uploads.restore(uploads.get(params.id), { place: placeOf(body), createdBy }));
    },
  );
}
