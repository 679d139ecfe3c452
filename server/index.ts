/** The only way into the server: an HTTP API, a web page and a scheduler in one process. Every decision lives in engine/. */

import { composeApp, createApp } from './app.ts';
import { Authentication } from './auth/authentication.ts';
import type { App, ServerContext } from './context.ts';
import { EventLog } from './events.ts';
import { JobRunner } from './jobs/runner.ts';
import type { ServeOptions } from './options.ts';
import { RepositoryAccess } from './repository-access.ts';
import { Settings } from './settings.ts';
import { State } from './state/state.ts';

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
    const events = new EventLog();
    const { log } = app;
    const context: ServerContext = {
      options,
      log,
      state,
      settings: new Settings(state.settings, options),
      events,
      jobs: new JobRunner({ store: state.jobs, events, log, place, nowMs }),
      authentication: new Authentication(state, options, nowMs),
      repository: () => access.get(),
      nowMs,
    };
    await composeApp(app, context);
    await app.ready();
    context.jobs.recover();
    const close = async (): Promise<void> => {
      await context.jobs.close();
      await app.close();
      await access.close();
      state.close();
    };
    return { app, context, close, listen: () => listen(app, options) };
  } catch (error) {
    await access.close();
    state.close();
    throw error;
  }
}

/** Starts a server and says in its log where it is, and how the first admin is made. */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  const server = await createServer(options);
  try {
    const url = await server.listen();
    const { log, authentication } = server.context;
    log.info({ url }, 'Listening');
    const setup = authentication.setupLink.addressAt(url);
    // A warning, so that it shows where only warnings do: nobody can do anything before it was used.
    if (setup !== undefined) log.warn({ setup }, 'Open this link once to make the first admin');
    return { url, close: server.close };
  } catch (error) {
    await server.close();
    throw error;
  }
}

async function listen(app: App, { listen: { host, port }, basePath }: ServeOptions): Promise<string> {
  await app.listen({ host, port });
  // Port 0 asks for any free one.
  const bound = app.server.address();
  const actual = typeof bound === 'object' && bound !== null ? bound.port : port;
  return `http://${host.includes(':') ? `[${host}]` : host}:${actual}${basePath}`;
}
