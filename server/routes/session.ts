/** Signing in, signing out, and the first admin. */

import { Type } from 'typebox';
import { setSessionCookie } from '../auth/guard.ts';
import { SCOPES } from '../auth/scopes.ts';
import type { App, ServerContext } from '../context.ts';
import { USER_NAME_CHARACTERS_MAX } from '../limits.ts';
import { notFound } from '../problems.ts';
import { CLOSED, GivenPassword, NewPassword, Nullable, PROBLEM_RESPONSES, UserName, Words } from '../schemas.ts';
import { identityView } from '../views.ts';

const Session = Type.Object({
  type: Words(['user', 'token']),
  name: Type.String(),
  scopes: Type.Array(Words(SCOPES)),
  csrf_token: Nullable(Type.String({ description: 'Goes into the header x-csrf-token of every change' })),
});

export function sessionRoutes(app: App, context: ServerContext): void {
  const { authentication, options } = context;

  app.get(
    '/session',
    { config: { access: 'read' }, schema: { summary: 'Who asks', response: { 200: Session, ...PROBLEM_RESPONSES } } },
    async ({ identity }) => {
      if (identity === undefined) throw notFound('Nobody is signed in');
      return identityView(identity);
    },
  );

  app.post(
    '/session',
    {
      config: { access: 'public' },
      schema: {
        summary: 'Sign in: sets the cookie of a session',
        body: Type.Object(
          { name: Type.String({ minLength: 1, maxLength: USER_NAME_CHARACTERS_MAX }), password: GivenPassword },
          CLOSED,
        ),
        response: { 201: Session, ...PROBLEM_RESPONSES },
      },
    },
    async (request, reply) => {
      const session = await authentication.signIn({ ...request.body, address: request.ip });
      request.log.info({ user: session.user.name }, 'Signed in');
      setSessionCookie({ request, reply }, options, session);
      reply.code(201);
      return { type: 'user' as const, name: session.user.name, scopes: [...SCOPES], csrf_token: session.csrfToken };
    },
  );

  app.delete(
    '/session',
    {
      config: { access: 'read' },
      schema: { summary: 'Sign out', response: { 204: Type.Null(), ...PROBLEM_RESPONSES } },
    },
    async (request, reply) => {
      if (request.identity !== undefined) authentication.signOut(request.identity);
      setSessionCookie({ request, reply }, options, undefined);
      return reply.code(204).send(null);
    },
  );

  app.get(
    '/setup',
    {
      config: { access: 'public' },
      schema: {
        summary: 'Whether a setup link waits for somebody',
        response: { 200: Type.Object({ open: Type.Boolean() }), ...PROBLEM_RESPONSES },
      },
    },
    async () => ({ open: authentication.setupLink.isOpen }),
  );

  app.post(
    '/setup',
    {
      config: { access: 'public' },
      schema: {
        summary: 'Use the setup link: makes an admin and signs in',
        body: Type.Object(
          { token: Type.String({ minLength: 1, maxLength: 200 }), name: UserName, password: NewPassword },
          CLOSED,
        ),
        response: { 201: Session, ...PROBLEM_RESPONSES },
      },
    },
    async (request, reply) => {
      const { token, name, password } = request.body;
      const session = await authentication.setUp(token, { name, password, address: request.ip });
      request.log.info({ user: session.user.name }, 'The setup link was used');
      setSessionCookie({ request, reply }, options, session);
      reply.code(201);
      return { type: 'user' as const, name: session.user.name, scopes: [...SCOPES], csrf_token: session.csrfToken };
    },
  );
}
