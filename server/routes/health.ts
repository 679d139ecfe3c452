/** For whoever watches over the server: does it live, is it ready. */

import { Type } from 'typebox';
import { EngineError } from '../../engine/index.ts';
import type { App, ServerContext } from '../context.ts';
import { problemOf } from '../problems.ts';
import { PROBLEM_RESPONSES } from '../schemas.ts';

const Health = Type.Object({ status: Type.String(), detail: Type.Optional(Type.String()) });

export function healthRoutes(app: App, { repository, state, metrics }: ServerContext): void {
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
        const { backend } = await repository();
        if ((await backend.size('config', 'config')) === undefined) {
          throw new EngineError('REPOSITORY_NOT_FOUND', `The repository at ${backend.location} is gone`);
        }
        return { status: 'ok' };
      } catch (error) {
        request.log.warn({ err: error }, 'Not ready');
        reply.code(503);
        // Whoever asks is nobody we know: the code says enough.
        return { status: 'not ready', detail: problemOf(error).code };
      }
    },
  );

  app.get(
    '/metrics',
    {
      config: { access: 'read' },
      schema: {
        summary: 'Numbers for Prometheus, which sends a token with the scope "read"',
        response: {
          200: { description: 'Numbers', content: { 'text/plain': { schema: Type.String() } } },
          ...PROBLEM_RESPONSES,
        },
      },
    },
    async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()),
  );
}
