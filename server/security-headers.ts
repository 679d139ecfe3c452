/** What browsers are told to refuse. */

import helmet from '@fastify/helmet';
import type { App } from './context.ts';

/** The page: its own files and nothing else, nothing inline, no other host. */
const PAGE_POLICY = {
  defaultSrc: ["'none'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'"],
  imgSrc: ["'self'", 'blob:'],
  fontSrc: ["'self'"],
  mediaSrc: ["'self'"],
  connectSrc: ["'self'"],
  manifestSrc: ["'self'"],
  baseUri: ["'none'"],
  formAction: ["'self'"],
  frameAncestors: ["'none'"],
};

/**
 * Answers of the API hold what other people put into files. Whatever a browser takes them for, it loads and runs nothing of
 * them, and they have no origin that could reach the page.
 */
export const API_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox";

export async function addSecurityHeaders(app: App): Promise<void> {
  await app.register(helmet, {
    contentSecurityPolicy: { useDefaults: false, directives: PAGE_POLICY },
    // The proxy that speaks TLS decides whether a name is always to be reached by it.
    hsts: false,
    frameguard: { action: 'deny' },
    referrerPolicy: { policy: 'no-referrer' },
    crossOriginResourcePolicy: { policy: 'same-origin' },
  });
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('permissions-policy', 'camera=(), microphone=(), geolocation=(), browsing-topics=()');
  });
}

/** For routes of the API, on top of the page's. */
export function addApiHeaders(app: App): void {
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('content-security-policy', API_POLICY);
    reply.header('cache-control', 'no-store');
  });
}
