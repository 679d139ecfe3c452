/** The web page: one document for each of its addresses, and the few files that it names. */

import type { FastifyReply, FastifyRequest } from 'fastify';
import type { App, ServerContext } from '../context.ts';
import { type PageFile, type PageFiles, readPageFiles } from '../page-files.ts';

/** Addresses below the base path at which the page shows something. */
const ADDRESSES = [
  '/',
  '/setup',
  '/snapshots',
  '/browse',
  '/compare',
  '/restore',
  '/jobs',
  '/jobs/:id',
  '/settings/backup',
  '/settings/access',
];

const NOT_BUILT = 'The web page was not built: run "npm run build". The API is here all the same, below /api/v1.\n';

export function pageRoutes(app: App, { options, log }: ServerContext): void {
  const files = readPageFiles(options.basePath);
  if (files === undefined) log.warn('The web page was not built: only the API is here');
  // Nothing of it belongs to the API's description.
  const route = { config: { access: 'public' }, schema: { hide: true } } as const;
  for (const address of ADDRESSES) {
    app.get(address, route, async (request, reply) => sendDocument(request, reply, files));
  }
  for (const [name, file] of files?.assets ?? []) {
    app.get(`/assets/${name}`, route, async (request, reply) => {
      reply.header('cache-control', 'public, max-age=31536000, immutable');
      return sendFile(request, reply, file);
    });
  }
}

function sendDocument(request: FastifyRequest, reply: FastifyReply, files: PageFiles | undefined): FastifyReply {
  reply.header('cache-control', 'no-cache');
  if (files === undefined) return reply.code(503).type('text/plain; charset=utf-8').send(NOT_BUILT);
  return sendFile(request, reply, files.document);
}

function sendFile(request: FastifyRequest, reply: FastifyReply, file: PageFile): FastifyReply {
  reply.type(file.type).header('vary', 'accept-encoding');
  const accepted = String(request.headers['accept-encoding'] ?? '');
  if (/\bbr\b(?!;q=0\b)/.test(accepted)) return reply.header('content-encoding', 'br').send(file.brotli);
  if (/\bgzip\b(?!;q=0\b)/.test(accepted)) return reply.header('content-encoding', 'gzip').send(file.gzip);
  return reply.send(file.plain);
}
