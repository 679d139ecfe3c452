/** For whoever watches over the server: does it live, is it ready. */

import { Type } from 'typebox';
import type { App, ServerContext } from '../context.ts';
import { problemOf } from '../problems.ts';

const Health = Type.Object({ status: Type.String(), detail: Type.Optional(Type.String()) });

export function healthRoutes(app: App, { repository, state }: ServerContext): void {
  app.get(
    '/healthz',
    { config: { access: 'public' }, schema: { summary: 'The process lives', response: { 200: Health } } },
    async () => ({ status: 'ok' }),
  );

  app.get(
    '/readyz',
    {
      config: { access: 'public' },
      schema: { summary: 'It can answer: state and repository can be read', response: { 200: Health, 503: Health } },
    },
    async (request, reply) => {
      try {
        state.users.count();
        await (await repository()).backend.size('config', 'config');
        return { status: 'ok' };
      } catch (error) {
        request.log.warn({ err: error }, 'Not ready');
        reply.code(503);
        // Whoever asks is nobody we know: the code says enough.
        return { status: 'not ready', detail: problemOf(error).code };
      }
    },
  );
}
