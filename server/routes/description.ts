/** The description of the API for programs. People read it at /api/docs. */

import { Type } from 'typebox';
import type { App } from '../context.ts';
import { PROBLEM_RESPONSES } from '../schemas.ts';

export function descriptionRoutes(app: App): void {
  const Description = Type.Unsafe<object>({ type: 'object', additionalProperties: true });

  app.get(
    '/openapi.json',
    {
      config: { access: 'read' },
      schema: {
        summary: 'This description (OpenAPI 3.1)',
        response: { 200: Description, ...PROBLEM_RESPONSES },
      },
    },
    async () => app.swagger(),
  );
}
