/** The OpenAPI description, made from the schemas that validate, and a page to read it. */

import swagger from '@fastify/swagger';
import swaggerPage from '@fastify/swagger-ui';
import { DOCS_PATH, SESSION_COOKIE } from './auth/guard.ts';
import type { App, ServerContext } from './context.ts';

/** Before any route is made: each of them is described as it comes. */
export async function addDescription(app: App, { options }: ServerContext): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'snap',
        description:
          'Snapshots of libraries and their databases. Scripts send a token as a bearer; changes by a session need the ' +
          'header x-csrf-token. Long work answers 202 and goes on as a job.',
        version: '1',
      },
      servers: [{ url: options.basePath === '' ? '/' : options.basePath }],
      security: [{ token: [] }, { session: [] }],
      components: {
        securitySchemes: {
          token: { type: 'http', scheme: 'bearer' },
          session: { type: 'apiKey', in: 'cookie', name: SESSION_COOKIE },
        },
      },
    },
    stripBasePath: true,
    transform: ({ schema, url, route }) => {
      const isPublic = route.config?.access === 'public';
      const tags = [/\/api\/v1\/([a-z]+)/.exec(url)?.[1] ?? 'server'];
      return { schema: { ...schema, tags, ...(isPublic ? { security: [] } : {}) }, url };
    },
  });
}

/** The page is not ours, but it loads nothing from elsewhere either. */
const DOCS_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self' data:; " +
  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The description to read and to try out; /json below it is the description itself. */
export async function addDocs(app: App): Promise<void> {
  await app.register(swaggerPage, {
    routePrefix: DOCS_PATH,
    staticCSP: DOCS_POLICY,
    theme: { title: 'snap' },
    // The other layout adds a bar with the maker's logo, whose style stands inline, and a field for other addresses.
    uiConfig: { layout: 'BaseLayout' },
  });
}
