/** Puts the HTTP side together: plugins, hooks, routes. It decides nothing. */

import type { Socket } from 'node:net';
import cookie from '@fastify/cookie';
import rateLimit from '@fastify/rate-limit';
import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox';
import underPressure from '@fastify/under-pressure';
import { fastify, LogController } from 'fastify';
import { addGuard, addIdentification } from './auth/guard.ts';
import { Uploads } from './backups/uploads.ts';
import type { App, Routes, ServerContext } from './context.ts';
import { addDescription, addDocs } from './description.ts';
import {
  ANONYMOUS_REQUESTS_MAX,
  BODY_BYTES_MAX,
  CONNECTIONS_MAX,
  EVENT_LOOP_DELAY_MS_MAX,
  IDENTIFIED_REQUESTS_MAX,
  RATE_KEYS_MAX,
  RATE_WINDOW_MS,
  REQUEST_HEAD_MS_MAX,
} from './limits.ts';
import { loggerOptions, pathOf } from './log.ts';
import { observe } from './observe.ts';
import type { ServeOptions } from './options.ts';
import { notFound, PROBLEM_TYPE, problemDetails, ServerError, sendProblem } from './problems.ts';
import { audiobookshelfRoutes } from './routes/audiobookshelf.ts';
import { backupFileRoutes } from './routes/backup-file.ts';
import { backupRestoreRoutes } from './routes/backup-restores.ts';
import { backupRoutes } from './routes/backups.ts';
import { descriptionRoutes } from './routes/description.ts';
import { diffRoutes } from './routes/diff.ts';
import { eventRoutes } from './routes/events.ts';
import { findRoutes } from './routes/find.ts';
import { healthRoutes } from './routes/health.ts';
import { jobRoutes } from './routes/jobs.ts';
import { libraryRoutes } from './routes/library.ts';
import { maintenanceRoutes } from './routes/maintenance.ts';
import { notificationRoutes } from './routes/notifications.ts';
import { pageRoutes } from './routes/page.ts';
import { repositoryRoutes } from './routes/repository.ts';
import { restoreRoutes } from './routes/restores.ts';
import { retentionRoutes } from './routes/retention.ts';
import { scheduleRoutes } from './routes/schedule.ts';
import { sessionRoutes } from './routes/session.ts';
import { snapshotRoutes } from './routes/snapshots.ts';
import { tokenRoutes } from './routes/tokens.ts';
import { treeRoutes } from './routes/tree.ts';
import { uploadRoutes } from './routes/uploads.ts';
import { userRoutes } from './routes/users.ts';
import { addApiHeaders, addSecurityHeaders } from './security-headers.ts';

/** Below /api/v1; one file a resource. */
const API_ROUTES: readonly Routes[] = [
  sessionRoutes,
  userRoutes,
  tokenRoutes,
  snapshotRoutes,
  treeRoutes,
  diffRoutes,
  findRoutes,
  repositoryRoutes,
  retentionRoutes,
  jobRoutes,
  maintenanceRoutes,
  scheduleRoutes,
  notificationRoutes,
  libraryRoutes,
  backupRoutes,
  backupFileRoutes,
  backupRestoreRoutes,
  restoreRoutes,
  eventRoutes,
  descriptionRoutes,
];
/** Below the base path itself. */
const TOP_ROUTES: readonly Routes[] = [healthRoutes, pageRoutes];

/** The bare application, so that everything can log through it. */
export function createApp(options: ServeOptions): App {
  const app = fastify({
    logger: loggerOptions(options.log) ?? false,
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: options.trustedProxies.length === 0 ? false : [...options.trustedProxies],
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: 0,
    routerOptions: { maxParamLength: 100 },
    // A request that comes while the server ends is answered as any other one; it just is the last of its connection.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    genReqId: requestIds(),
    clientErrorHandler: refuseGarbage,
  });
  app.server.headersTimeout = REQUEST_HEAD_MS_MAX;
  app.server.maxConnections = CONNECTIONS_MAX;
  return app.setValidatorCompiler(TypeBoxValidatorCompiler) as unknown as App;
}

export async function composeApp(app: App, context: ServerContext): Promise<void> {
  const { basePath } = context.options;
  const uploads = new Uploads(context);
  app.setErrorHandler(sendProblem);
  app.setNotFoundHandler(async (request) => {
    throw notFound(`There is nothing at ${request.method} ${pathOf(request.url)}`);
  });
  // Other kinds of bodies could be sent by other sites' forms without asking.
  app.removeContentTypeParser('text/plain');
  app.addHook('onResponse', async (request, reply) => {
    const facts = { req: request, status: reply.statusCode, ms: Math.round(reply.elapsedTime) };
    if (request.method === 'GET' || request.method === 'HEAD') request.log.debug(facts, 'Answered');
    else request.log.info(facts, 'Answered');
  });
  observe(app, context);
  await addSecurityHeaders(app);
  await app.register(cookie);
  addIdentification(app, context);
  await addRateLimit(app);
  await app.register(underPressure, { maxEventLoopDelay: EVENT_LOOP_DELAY_MS_MAX, exposeStatusRoute: false });
  await addDescription(app, context);
  await app.register(
    async (top) => {
      addGuard(top as App, context.options);
      for (const routes of TOP_ROUTES) routes(top as App, context);
      await addDocs(top as App);
      await top.register(async (api) => audiobookshelfRoutes(api as App, context, uploads), { prefix: '/api' });
      await top.register(
        async (api) => {
          addApiHeaders(api as App);
          for (const routes of API_ROUTES) routes(api as App, context);
          uploadRoutes(api as App, context, uploads);
        },
        { prefix: '/api/v1' },
      );
    },
    { prefix: basePath },
  );
}

async function addRateLimit(app: App): Promise<void> {
  await app.register(rateLimit, {
    timeWindow: RATE_WINDOW_MS,
    cache: RATE_KEYS_MAX,
    max: (request) => (request.identity === undefined ? ANONYMOUS_REQUESTS_MAX : IDENTIFIED_REQUESTS_MAX),
    keyGenerator: ({ identity, ip }) => {
      if (identity === undefined) return `address ${ip}`;
      return identity.type === 'user' ? `user ${identity.user.id}` : `token ${identity.token.id}`;
    },
    errorResponseBuilder: (_request, { after }) =>
      new ServerError('TOO_MANY_REQUESTS', `Too many requests: try again in ${after}`),
  });
}

function requestIds(): () => string {
  let next = 1;
  return () => (next++).toString(36);
}

/** What is no HTTP at all gets an answer that is. */
function refuseGarbage(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const body = JSON.stringify(problemDetails('REQUEST_INVALID', 'This is no request that can be read'));
  socket.end(
    `HTTP/1.1 400 Bad Request\r\ncontent-type: ${PROBLEM_TYPE}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
