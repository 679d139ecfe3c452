/** The client at the other end of a request. */

import type { FastifyReply } from 'fastify';

/**
 * Fires when the client goes away before it has its whole answer: what works for it stops. Fastify's own `request.signal`
 * fires as soon as a body was read.
 */
export function goneSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  const { raw } = reply;
  if (raw.destroyed && !raw.writableFinished) controller.abort();
  raw.once('close', () => {
    if (!raw.writableFinished) controller.abort();
  });
  return controller.signal;
}
