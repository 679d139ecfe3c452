/** Stands before every route: finds out who asks, and lets through whoever may. */

import type { FastifyReply, FastifyRequest } from 'fastify';
import type { App, ServerContext } from '../context.ts';
import { SESSION_MS_MAX } from '../limits.ts';
import { ServerError } from '../problems.ts';
import type { NewSession } from './authentication.ts';
import type { Identity } from './identity.ts';
import { allows } from './scopes.ts';
import { equalSecrets } from './secrets.ts';

export const SESSION_COOKIE = 'snap_session';
export const DOCS_PATH = '/api/docs';
export const CSRF_HEADER = 'x-csrf-token';

const HARMLESS_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);
const BEARER = /^Bearer +([\x21-\x7e]{1,200}) *$/i;

/** Who asks is known before anything of a request is counted or read. */
export function addIdentification(app: App, { authentication }: ServerContext): void {
  app.decorateRequest('identity', undefined);
  app.addHook('onRequest', async (request) => {
    const { authorization } = request.headers;
    if (authorization !== undefined) {
      const token = BEARER.exec(authorization)?.[1];
      const identity = token === undefined ? undefined : authentication.ofToken(token);
      if (identity === undefined) {
        throw new ServerError('NOT_SIGNED_IN', 'The token is not, or no longer, valid', {
          'www-authenticate': 'Bearer',
        });
      }
      request.identity = identity;
      return;
    }
    const cookie = request.cookies[SESSION_COOKIE];
    if (cookie !== undefined && cookie !== '') request.identity = authentication.ofSession(cookie);
  });
}

/** Each route says who may ask; a route that does not is not made. Those of the description's page cannot say it. */
export function addGuard(app: App, { basePath }: { readonly basePath: string }): void {
  const docs = `${basePath}${DOCS_PATH}`;
  app.addHook('onRoute', ({ config, url }) => {
    if (config?.access !== undefined || url === docs || url.startsWith(`${docs}/`)) return;
    throw new Error(`The route ${url} does not say who may ask for it`);
  });
  // After rate limits, which hang on onRequest, and before any byte of a body is read.
  app.addHook('preParsing', async (request) => {
    if (request.is404) return;
    requireAccess(request);
  });
}

function requireAccess(request: FastifyRequest): void {
  const { access = 'read' } = request.routeOptions.config;
  const isChange = !HARMLESS_METHODS.has(request.method);
  const { identity } = request;
  // Another site's page cannot even sign somebody in, or out.
  if (isChange && request.headers['sec-fetch-site'] === 'cross-site' && identity?.type !== 'token') {
    throw new ServerError('CSRF_MISSING', 'A page of another site asked for this: it was refused');
  }
  if (access === 'public') return;
  if (identity === undefined) throw new ServerError('NOT_SIGNED_IN', 'Sign in first, or send a token');
  if (isChange && identity.type === 'user') requireCsrfToken(request, identity);
  if (!allows(identity.scopes, access)) {
    throw new ServerError('SCOPE_MISSING', `This token may not do that: it lacks the scope "${access}"`);
  }
}

function requireCsrfToken(request: FastifyRequest, identity: Identity & { readonly type: 'user' }): void {
  const given = request.headers[CSRF_HEADER];
  if (typeof given === 'string' && equalSecrets(given, identity.csrfToken)) return;
  throw new ServerError(
    'CSRF_MISSING',
    `Changes need the header ${CSRF_HEADER} with the value that GET /api/v1/session answers`,
  );
}

/**
 * The cookie of a session. On a home network the page comes over plain HTTP, where a browser would not send back a Secure
 * one: it is Secure where the request came over TLS, to here or, as a trusted proxy says, to that.
 */
export function setSessionCookie(
  { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
  { basePath }: { readonly basePath: string },
  session: NewSession | undefined,
): void {
  const options = {
    path: basePath === '' ? '/' : basePath,
    httpOnly: true,
    sameSite: 'lax',
    secure: request.protocol === 'https',
  } as const;
  if (session === undefined) reply.clearCookie(SESSION_COOKIE, options);
  else reply.setCookie(SESSION_COOKIE, session.token, { ...options, maxAge: SESSION_MS_MAX / 1000 });
}
