/** Snapshots, the newest first. */

import { Type } from 'typebox';
import type { App, ServerContext } from '../context.ts';
import { PAGE_ITEMS_DEFAULT } from '../limits.ts';
import { ServerError } from '../problems.ts';
import { Page, PageQuery, PROBLEM_RESPONSES, SnapshotName, SnapshotSchema } from '../schemas.ts';
import { snapshotView } from '../views.ts';

export function snapshotRoutes(app: App, { repository }: ServerContext): void {
  app.get(
    '/snapshots',
    {
      config: { access: 'read' },
      schema: {
        summary: 'List snapshots, the newest first',
        querystring: Type.Object({
          ...PageQuery,
          host: Type.Optional(Type.String({ maxLength: 300 })),
          label: Type.Optional(Type.String({ maxLength: 300 })),
          tag: Type.Optional(Type.Array(Type.String({ maxLength: 300 }), { maxItems: 50 })),
        }),
        response: { 200: Page(SnapshotSchema), ...PROBLEM_RESPONSES },
      },
    },
    async ({ query }) => {
      const { host, label, tag, cursor, limit = PAGE_ITEMS_DEFAULT } = query;
      const filter = {
        hosts: host === undefined ? undefined : [host],
        labels: label === undefined ? undefined : [label],
        tags: tag,
      };
      const { snapshots } = await repository();
      const all = (await snapshots.list(filter, () => undefined)).reverse();
      const after = cursor === undefined ? -1 : all.findIndex(({ id }) => id === cursor);
      if (cursor !== undefined && after < 0) throw new ServerError('REQUEST_INVALID', 'The cursor fits no snapshot');
      const items = all.slice(after + 1, after + 1 + limit);
      const isLast = after + 1 + items.length >= all.length;
      return { items: items.map(snapshotView), next_cursor: isLast ? null : (items.at(-1)?.id ?? null) };
    },
  );

  app.get(
    '/snapshot',
    {
      config: { access: 'read' },
      schema: {
        summary: 'One snapshot, by any name it has',
        querystring: Type.Object({ snapshot: SnapshotName }),
        response: { 200: SnapshotSchema, ...PROBLEM_RESPONSES },
      },
    },
    async ({ query }) => snapshotView(await (await repository()).snapshots.find(query.snapshot)),
  );
}
