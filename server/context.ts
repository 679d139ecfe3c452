/**
 * What a route has at hand. A file of routes/ exports a function `(app, context) => void` that declares its routes, and
 * stands in the list of app.ts; it knows nothing of other routes.
 */

import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify';
import type { Repository } from '../engine/index.ts';
import type { Authentication } from './auth/authentication.ts';
import type { Identity } from './auth/identity.ts';
import type { Access } from './auth/scopes.ts';
import type { Downloads } from './downloads.ts';
import type { EventLog } from './events.ts';
import type { JobRunner } from './jobs/runner.ts';
import type { Metrics } from './metrics.ts';
import type { Notifier } from './notify/notifier.ts';
import type { ServeOptions } from './options.ts';
import type { Scheduler } from './schedule/scheduler.ts';
import type { Settings } from './settings.ts';
import type { State } from './state/state.ts';

export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

export interface ServerContext {
  readonly options: ServeOptions;
  readonly log: FastifyBaseLogger;
  readonly state: State;
  readonly settings: Settings;
  readonly events: EventLog;
  readonly jobs: JobRunner;
  readonly scheduler: Scheduler;
  readonly notifier: Notifier;
  readonly metrics: Metrics;
  readonly downloads: Downloads;
  readonly authentication: Authentication;
  /** The open repository, up to date with what jobs wrote. Nobody closes it but the server. */
  readonly repository: () => Promise<Repository>;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
}

export type Routes = (app: App, context: ServerContext) => void;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may ask: each route says it, or is not made. */
    readonly access?: Access;
  }

  interface FastifyRequest {
    /** Who asks; undefined for somebody who did not say it. */
    identity: Identity | undefined;
  }
}
