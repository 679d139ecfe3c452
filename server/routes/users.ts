/** Who may sign in. Everybody who may is an admin. */

import { Type } from 'typebox';
import type { App, ServerContext } from '../context.ts';
import { USERS_MAX } from '../limits.ts';
import { notFound, ServerError } from '../problems.ts';
import { CLOSED, GivenPassword, IdParameters, NewPassword, PROBLEM_RESPONSES, Time, UserName } from '../schemas.ts';
import { userView } from '../views.ts';

const UserSchema = Type.Object({ id: Type.Integer(), name: Type.String(), created_at: Time });

export function userRoutes(app: App, { state, authentication }: ServerContext): void {
  app.get(
    '/users',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'List users',
        response: { 200: Type.Object({ items: Type.Array(UserSchema) }), ...PROBLEM_RESPONSES },
      },
    },
    async () => ({ items: state.users.list().map(userView) }),
  );

  app.post(
    '/users',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Add a user',
        body: Type.Object({ name: UserName, password: NewPassword }, CLOSED),
        response: { 201: Type.Object({ user: UserSchema }), ...PROBLEM_RESPONSES },
      },
    },
    async ({ body }, reply) => {
      if (state.users.count() >= USERS_MAX) throw new ServerError('CONFLICT', `There are ${USERS_MAX} users already`);
      const user = await authentication.addUser(body.name, body.password);
      reply.code(201);
      return { user: userView(user) };
    },
  );

  app.delete(
    '/users/:id',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Remove a user: all sessions of theirs end',
        params: IdParameters,
        response: { 204: Type.Null(), ...PROBLEM_RESPONSES },
      },
    },
    async ({ params }, reply) => {
      if (state.users.find(params.id) === undefined) throw notFound(`There is no user ${params.id}`);
      if (!state.users.remove(params.id)) {
        throw new ServerError('CONFLICT', 'The last user stays: nobody could sign in any more');
      }
      return reply.code(204).send(null);
    },
  );

  app.put(
    '/session/password',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Change the own password: all other sessions end',
        body: Type.Object({ password: GivenPassword, new_password: NewPassword }, CLOSED),
        response: { 204: Type.Null(), ...PROBLEM_RESPONSES },
      },
    },
    async ({ body, identity }, reply) => {
      if (identity?.type !== 'user') throw new ServerError('SCOPE_MISSING', 'A token has no password');
      await authentication.changePassword(identity, body.password, body.new_password);
      return reply.code(204).send(null);
    },
  );
}
