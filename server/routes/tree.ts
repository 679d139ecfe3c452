/** What a snapshot holds: folders in pages, one entry, and what a file holds. */

import { type Static, Type } from 'typebox';
import {
  findEntry,
  listPage,
  PAGE_ENTRIES_MAX,
  PAGE_ORDERS,
  PAGE_SORTED_ENTRIES_MAX,
  planZip,
  readEntryContent,
  readZip,
  SHORT_ID_LENGTH,
} from '../../engine/index.ts';
import { goneSignal } from '../client.ts';
import type { App, ServerContext } from '../context.ts';
import { decodeCursor, encodeCursor } from '../cursors.ts';
import { presentationOf } from '../downloads.ts';
import { EntrySchema, SnapshotReference } from '../entry-schemas.ts';
import { entryView, referenceView } from '../entry-views.ts';
import { FilterQuery, filterOf } from '../filters.ts';
import { PAGE_ITEMS_DEFAULT } from '../limits.ts';
import { optionalPath, PathQuery, requirePath } from '../paths.ts';
import { ServerError } from '../problems.ts';
import {
  BYTES_RESPONSES,
  Nullable,
  PageQuery,
  PathFields,
  PROBLEM_RESPONSES,
  SnapshotName,
  Words,
} from '../schemas.ts';
import { pathView } from '../views.ts';
import { ZipPlans } from '../zip-plans.ts';

const Where = { snapshot: SnapshotName, ...PathQuery, ...FilterQuery } as const;

const Folder = Type.Object({
  snapshot: SnapshotReference,
  ...PathFields,
  total: Type.Integer({ minimum: 0, description: 'Entries of the whole folder' }),
  sortable: Type.Boolean({ description: `It has at most ${PAGE_SORTED_ENTRIES_MAX}: any order can be asked for` }),
  items: Type.Array(EntrySchema),
  next_cursor: Nullable(Type.String()),
});

/** Names such as `latest` mean something else tomorrow: later pages are of the snapshot of the first one. */
const Cursor = Type.Object({
  snapshot: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  after: Type.String({ maxLength: 400 }),
});

export function treeRoutes(app: App, context: ServerContext): void {
  const { repository } = context;

  app.get(
    '/tree',
    {
      config: { access: 'read' },
      schema: {
        summary: 'One folder of a snapshot, in pages',
        querystring: Type.Object({
          ...Where,
          ...PageQuery,
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: PAGE_ENTRIES_MAX, default: PAGE_ITEMS_DEFAULT })),
          order: Type.Optional(Words(PAGE_ORDERS)),
          descending: Type.Optional(Type.Boolean()),
        }),
        response: { 200: Folder, ...PROBLEM_RESPONSES },
      },
    },
    async ({ query }): Promise<Static<typeof Folder>> => {
      const place = query.cursor === undefined ? undefined : decodeCursor(query.cursor, Cursor);
      const page = await listPage(await repository(), {
        snapshot: place?.snapshot ?? query.snapshot,
        path: optionalPath(query),
        filter: filterOf(query),
        after: place === undefined ? undefined : Buffer.from(place.after, 'base64url'),
        limit: query.limit ?? PAGE_ITEMS_DEFAULT,
        order: query.order,
        descending: query.descending,
      });
      const { snapshot, path, entries, total, next } = page;
      const after = next?.toString('base64url');
      return {
        snapshot: referenceView(snapshot),
        ...pathView(path),
        total,
        sortable: total <= PAGE_SORTED_ENTRIES_MAX,
        items: entries.map(entryView),
        next_cursor: after === undefined ? null : encodeCursor({ snapshot: snapshot.id, after }),
      };
    },
  );

  app.get(
    '/entry',
    {
      config: { access: 'read' },
      schema: {
        summary: 'One entry of a snapshot',
        querystring: Type.Object(Where),
        response: {
          200: Type.Object({
            snapshot: SnapshotReference,
            entry: Nullable(EntrySchema),
            content_id: Type.String({ description: 'Changes with what it holds; the tag of its content' }),
          }),
          ...PROBLEM_RESPONSES,
        },
      },
    },
    async ({ query }) => {
      const { snapshot, path, node, user, group, contentId } = await findEntry(await repository(), {
        snapshot: query.snapshot,
        path: requirePath(query),
        filter: filterOf(query),
      });
      const entry = node === undefined ? null : entryView({ path, node, user, group });
      return { snapshot: referenceView(snapshot), entry, content_id: contentId };
    },
  );

  contentRoute(app, context);
  zipRoute(app, context);
}

function contentRoute(app: App, { repository, downloads }: ServerContext): void {
  app.get(
    '/content',
    {
      config: { access: 'read' },
      schema: {
        summary: 'What a file holds, whole or a range of it',
        querystring: Type.Object({
          ...Where,
          inline: Type.Optional(
            Type.Boolean({
              description: 'For showing: pictures, sound, video and text get their type, all else is saved',
            }),
          ),
        }),
        response: { ...BYTES_RESPONSES, ...PROBLEM_RESPONSES },
      },
    },
    async (request, reply) => {
      const { query } = request;
      const opened = await repository();
      const path = requirePath(query);
      const entry = await findEntry(opened, { snapshot: query.snapshot, path, filter: filterOf(query) });
      const { node, contentId } = entry;
      if (node?.type !== 'file') {
        const type = node?.type ?? 'dir';
        throw new ServerError(
          'REQUEST_INVALID',
          `${path.toString('utf8')} is of type ${type}: only files have content`,
        );
      }
      return downloads.send(request, reply, {
        bytes: node.size,
        tag: contentId,
        ...presentationOf(node.name, { inline: query.inline === true }),
        open: ({ start, end }, signal) =>
          readEntryContent(opened, entry, { offset: start, length: end - start, signal }),
      });
    },
  );
}

function zipRoute(app: App, { repository, downloads }: ServerContext): void {
  const plans = new ZipPlans();
  app.get(
    '/zip',
    {
      config: { access: 'read' },
      schema: {
        summary: 'A folder as a zip, whole or a range of it: the same bytes each time',
        querystring: Type.Object(Where),
        response: { ...BYTES_RESPONSES, ...PROBLEM_RESPONSES },
      },
    },
    async (request, reply) => {
      const { query } = request;
      const opened = await repository();
      const path = requirePath(query);
      const { snapshot, node } = await findEntry(opened, { snapshot: query.snapshot, path, filter: filterOf(query) });
      if (node !== undefined && node.type !== 'dir') {
        throw new ServerError(
          'REQUEST_INVALID',
          `${path.toString('utf8')} is no folder: /content has what a file holds`,
        );
      }
      const as = node?.name ?? Buffer.from(`snapshot ${snapshot.id.slice(0, SHORT_ID_LENGTH)}`);
      const plan = await plans.plan([snapshot.id, path], () =>
        planZip(opened, { snapshot: snapshot.id, roots: [{ path, as }], signal: goneSignal(reply) }),
      );
      return downloads.send(request, reply, {
        bytes: plan.length,
        tag: plan.id,
        ...presentationOf(Buffer.concat([as, Buffer.from('.zip')]), { inline: false }),
        open: (range, signal) => readZip(opened, plan, { ...range, signal }),
      });
    },
  );
}
