/** The only way into the server: an HTTP API, a web page and a scheduler in one process. Every decision lives in engine/. */

import { existsSync } from 'node:fs';
import { EngineError } from '../engine/index.ts';
import { composeApp, createApp } from './app.ts';
import { Authentication } from './auth/authentication.ts';
import { detectAtStart, keepDetected } from './backups/detection.ts';
import { followJobs } from './backups/record.ts';
import { rescanAtStart } from './backups/rescan.ts';
import type { App, ServerContext } from './context.ts';
import { Downloads } from './downloads.ts';
import { EventLog } from './events.ts';
import type { RepositoryPlace } from './jobs/messages.ts';
import { JobRunner } from './jobs/runner.ts';
import { CLOSE_MS_MAX } from './limits.ts';
import { Metrics } from './metrics.ts';
import { Notifier } from './notify/notifier.ts';
import type { ServeOptions } from './options.ts';
import { RepositoryAccess } from './repository-access.ts';
import { startNight } from './schedule/night.ts';
import { Scheduler } from './schedule/scheduler.ts';
import { Settings } from './settings.ts';
import { State } from './state/state.ts';

export { BACKUP_LABEL } from './backups/label.ts';
export { writeTags as backupTags } from './backups/tags.ts';
export type { LogOptions, ServeOptions } from './options.ts';

/** A server that is put together and listens to nobody yet. */
export interface Server {
  readonly app: App;
  readonly context: ServerContext;
  /** Begins to listen; answers the address with the base path. */
  listen(): Promise<string>;
  /** Tells jobs to stop and waits for them and for requests under way. */
  close(): Promise<void>;
}

export interface RunningServer {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Opens state and repository and puts everything together. REPOSITORY_LOCKED where another server has the state, and
 * whatever keeps a repository from being opened.
 */
export async function createServer(options: ServeOptions): Promise<Server> {
  const nowMs = options.nowMs ?? Date.now;
  const { location, cacheDirectory, credential, stateDirectory } = options;
  const place = { location, cacheDirectory, credential };
  const access = new RepositoryAccess(place);
  const state = State.open(stateDirectory);
  try {
    await access.get();
    const app = createApp(options);
    const context = contextOf({ app, options, state, repository: () => access.get(), place, nowMs });
    await composeApp(app, context);
    await app.ready();
    followJobs(context);
    context.jobs.onEnd((job) => context.notifier.jobEnded(job));
    keepDetected(context);
    context.jobs.recover();
    await rescanAtStart(context);
    const close = async (): Promise<void> => {
      context.scheduler.close();
      await context.jobs.close();
      await context.notifier.close();
      await closeApp(app);
      await access.close();
      state.close();
    };
    const start = async (): Promise<string> => {
      const url = await listen(app, options);
      context.scheduler.start();
      context.notifier.start();
      detectAtStart(context);
      return url;
    };
    return { app, context, close, listen: start };
  } catch (error) {
    await access.close();
    state.close();
    throw error;
  }
}

function contextOf({
  app,
  options,
  state,
  repository,
  place,
  nowMs,
}: Pick<ServerContext, 'options' | 'state' | 'repository' | 'nowMs'> & {
  readonly app: App;
  readonly place: RepositoryPlace;
}): ServerContext {
  const { log } = app;
  const events = new EventLog();
  const settings = new Settings(state.settings, options);
  const context: ServerContext = {
    options,
    log,
    state,
    settings,
    events,
    jobs: new JobRunner({ store: state.jobs, events, log, place, nowMs }),
    scheduler: new Scheduler({ settings, log, nowMs, begin: (night) => beginNight(context, night) }),
    notifier: new Notifier({ settings, state, events, log, nowMs }),
    metrics: new Metrics(),
    downloads: new Downloads(),
    authentication: new Authentication(state, options, nowMs),
    repository,
    nowMs,
  };
  return context;
}

function beginNight(
  context: ServerContext,
  { dueMs, isMadeUp }: { readonly dueMs: number; readonly isMadeUp: boolean },
): void {
  const title = isMadeUp ? `Night of ${new Date(dueMs).toISOString()}, made up for` : 'Night';
  startNight(context, { trigger: 'schedule', createdBy: 'schedule', title });
}

const LOOPBACK = /^(?:127\.\d+\.\d+\.\d+|::1|localhost)$/;

/** Starts a server and says in its log where it is, and how the first admin is made. */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  const server = await createServer(options);
  try {
    const url = await server.listen();
    const { log, authentication } = server.context;
    const setup = authentication.setupLink.addressAt(url);
    // A warning, so that it shows where only warnings do: nobody can do anything before it was used.
    const isFirst = server.context.state.users.count() === 0;
    const what = isFirst ? 'make the first admin' : 'make an admin, or to give one a new password';
    if (setup !== undefined) log.warn({ setup }, `Open this link, which works once, to ${what}`);
    if (!LOOPBACK.test(options.listen.host) && options.trustedProxies.length === 0) {
      log.warn(
        'Whoever reaches this machine reaches the server, and over plain HTTP whoever sees the network sees passwords',
      );
    }
    // A disk may come later: each backup without it says so, and a name that was mistyped shows at once.
    for (const source of options.sources) {
      if (!existsSync(source)) log.warn({ source: source.toString('utf8') }, 'A source is not there');
    }
    log.info('Ready');
    return { url, close: server.close };
  } catch (error) {
    await server.close();
    throw error;
  }
}

/** Requests under way get some time; what still hangs on then is cut off. */
async function closeApp(app: App): Promise<void> {
  const late = setTimeout(() => app.server.closeAllConnections(), CLOSE_MS_MAX);
  await app.close();
  clearTimeout(late);
}

const LISTEN_FAILURES: { readonly [code: string]: string } = {
  EADDRINUSE: 'another program does already',
  EADDRNOTAVAIL: 'this machine has no such address',
  ENOTFOUND: 'no address has this name',
  EACCES: 'ports below 1024 are for root, or for those whom root lets',
};

async function listen(app: App, { listen: { host, port }, basePath }: ServeOptions): Promise<string> {
  try {
    await app.listen({ host, port, listenTextResolver: (address) => `Listening at ${address}${basePath}` });
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? LISTEN_FAILURES[String(error.code)] : undefined;
    const words = why ?? (error instanceof Error ? error.message : String(error));
    throw new EngineError('INVALID_ARGUMENT', `The server cannot listen at ${host}, port ${port}: ${words}`, error);
  }
  // Port 0 asks for any free one.
  const bound = app.server.address();
  const actual = typeof bound === 'object' && bound !== null ? bound.port : port;
  return `http://${host.includes(':') ? `[${host}]` : host}:${actual}${basePath}`;
}
