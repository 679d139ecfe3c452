/** The OpenAPI description, made from the schemas that validate, and a page to read it. */

import swagger from '@fastify/swagger';
import type { App, ServerContext } from './context.ts';

export async function addDescription(app: App, { options }: ServerContext): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'snap',
        description: 'Snapshots of libraries and their databases',
        version: '1',
      },
      servers: [{ url: options.basePath === '' ? '/' : options.basePath }],
      components: {
        securitySchemes: {
          token: { type: 'http', scheme: 'bearer' },
          session: { type: 'apiKey', in: 'cookie', name: 'snap_session' },
        },
      },
    },
  });
}
