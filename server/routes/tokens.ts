/** API tokens of scripts. */

import { Type } from 'typebox';
import { nameOf } from '../auth/identity.ts';
import { SCOPES } from '../auth/scopes.ts';
import { hashOfSecret, newSecret } from '../auth/secrets.ts';
import type { App, ServerContext } from '../context.ts';
import { TOKENS_MAX } from '../limits.ts';
import { notFound, ServerError } from '../problems.ts';
import { CLOSED, IdParameters, Nullable, PROBLEM_RESPONSES, Scopes, Time, Words } from '../schemas.ts';
import { tokenView } from '../views.ts';

/** Says to those who find it somewhere what it is. */
const TOKEN_PREFIX = 'snap_';

export const TokenSchema = Type.Object({
  id: Type.Integer(),
  name: Type.String(),
  scopes: Type.Array(Words(SCOPES)),
  created_by: Type.String(),
  created_at: Time,
  expires_at: Nullable(Time),
  used_at: Nullable(Type.String({ format: 'date-time', description: 'Within a minute' })),
});

export function tokenRoutes(app: App, { state, nowMs }: ServerContext): void {
  app.get(
    '/tokens',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'List API tokens',
        response: { 200: Type.Object({ items: Type.Array(TokenSchema) }), ...PROBLEM_RESPONSES },
      },
    },
    async () => ({ items: state.tokens.list().map(tokenView) }),
  );

  app.post(
    '/tokens',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Make an API token',
        body: Type.Object(
          {
            name: Type.String({ minLength: 1, maxLength: 100, pattern: '^\\P{C}+$' }),
            scopes: Scopes,
            expires_at: Type.Optional(Nullable(Time)),
          },
          CLOSED,
        ),
        response: {
          201: Type.Object({ token: TokenSchema, secret: Type.String({ description: 'Shown this once' }) }),
          ...PROBLEM_RESPONSES,
        },
      },
    },
    async ({ body, identity }, reply) => {
      if (state.tokens.count() >= TOKENS_MAX) {
        throw new ServerError('CONFLICT', `There are ${TOKENS_MAX} tokens already: remove some first`);
      }
      const { name, scopes, expires_at: expires } = body;
      const secret = newSecret(TOKEN_PREFIX);
      const token = state.tokens.add(hashOfSecret(secret), {
        name,
        scopes,
        createdBy: nameOf(identity),
        createdMs: nowMs(),
        expiresMs: expires === undefined || expires === null ? undefined : Date.parse(expires),
      });
      reply.code(201);
      return { token: tokenView(token), secret };
    },
  );

  app.delete(
    '/tokens/:id',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Remove an API token: it is of no use from now on',
        params: IdParameters,
        response: { 204: Type.Null(), ...PROBLEM_RESPONSES },
      },
    },
    async ({ params }, reply) => {
      if (!state.tokens.remove(params.id)) throw notFound(`There is no token ${params.id}`);
      return reply.code(204).send(null);
    },
  );
}
