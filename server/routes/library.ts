/** Settings of the library: which folders hold its database, its covers, its books. */

import { Type } from 'typebox';
import { PROFILES } from '../../engine/index.ts';
import { nameOf } from '../auth/identity.ts';
import { startDetection } from '../backups/detection.ts';
import { LIBRARY, LIBRARY_DETECTED, type LibraryPaths, LibrarySchema, libraryOf } from '../backups/library.ts';
import type { App, ServerContext } from '../context.ts';
import { ServerError } from '../problems.ts';
import { CLOSED, JobStarted, Nullable, PROBLEM_RESPONSES, Words } from '../schemas.ts';
import { sendJob } from './send-job.ts';

const LibraryState = Type.Object({
  library: LibrarySchema,
  origin: Words(['set', 'detected', 'initial'], {
    description: 'Set by somebody, detected in the sources, or what holds until either: all sources are books',
  }),
  detected: Nullable(LibrarySchema),
  sources: Type.Array(Type.String()),
  profiles: Type.Array(Type.Object({ name: Type.String(), title: Type.String() })),
});

export function libraryRoutes(app: App, context: ServerContext): void {
  const { settings, options } = context;

  const stateNow = () => ({
    ...libraryOf(settings),
    detected: settings.isSet(LIBRARY_DETECTED) ? settings.get(LIBRARY_DETECTED) : null,
    sources: options.sources.map((path) => path.toString('utf8')),
    profiles: PROFILES.map(({ name, title }) => ({ name, title })),
  });

  app.get(
    '/settings/library',
    {
      config: { access: 'read' },
      schema: { summary: 'What the library is', response: { 200: LibraryState, ...PROBLEM_RESPONSES } },
    },
    async () => stateNow(),
  );

  app.put(
    '/settings/library',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Say what the library is',
        body: LibrarySchema,
        response: { 200: LibraryState, ...PROBLEM_RESPONSES },
      },
    },
    async ({ body }) => {
      requireLibrary(body);
      settings.set(LIBRARY, body);
      return stateNow();
    },
  );

  app.post(
    '/settings/library/detect',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Look once more whose folders the sources are',
        body: Type.Object({}, CLOSED),
        response: { 202: JobStarted, ...PROBLEM_RESPONSES },
      },
    },
    async ({ identity }, reply) =>
      sendJob(reply, options, startDetection(context, { trigger: 'manual', createdBy: nameOf(identity) })),
  );
}

function requireLibrary({ profile, ...paths }: LibraryPaths): void {
  const { database_paths, cover_paths, book_paths, other_paths } = paths;
  if (profile !== null && !PROFILES.some(({ name }) => name === profile)) {
    throw new ServerError('REQUEST_INVALID', `There is no profile "${profile}"`);
  }
  for (const path of [...database_paths, ...cover_paths, ...book_paths, ...other_paths]) {
    if (!path.split('/').includes('..') && !path.includes('\0')) continue;
    throw new ServerError('REQUEST_INVALID', `The path ${JSON.stringify(path)} leads upwards, or is none`);
  }
}
