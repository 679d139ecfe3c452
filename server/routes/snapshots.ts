/** Snapshots, the newest first, and what stands beside them: tags, label, pin, trust. */

import { Type } from 'typebox';
import { annotate, type Snapshot } from '../../engine/index.ts';
import type { App, ServerContext } from '../context.ts';
import { decodeCursor, encodeCursor } from '../cursors.ts';
import { FilterQuery, filterOf, momentOf } from '../filters.ts';
import { PAGE_ITEMS_DEFAULT, SNAPSHOTS_CHANGED_MAX, TAG_CHARACTERS_MAX, TAGS_MAX } from '../limits.ts';
import { CLOSED, Page, PageQuery, PathFields, PROBLEM_RESPONSES, SnapshotName, SnapshotSchema } from '../schemas.ts';
import { snapshotView } from '../views.ts';

const Cursor = Type.Object({ id: Type.String({ maxLength: 64 }), ms: Type.Number() });

/** What only one that is looked at tells. */
const Details = Type.Object({
  ...SnapshotSchema.properties,
  problems: Type.Array(
    Type.Object({ ...PathFields, during: Type.String(), code: Type.String(), message: Type.String() }),
    { description: 'The first of problem_count' },
  ),
  left_out: Type.Integer({ minimum: 0, description: 'Paths that were excluded or could not be read' }),
});

const Word = Type.String({ minLength: 1, maxLength: TAG_CHARACTERS_MAX });
const Tags = Type.Array(Word, { maxItems: TAGS_MAX });

const Changes = Type.Object(
  {
    snapshots: Type.Array(SnapshotName, { minItems: 1, maxItems: SNAPSHOTS_CHANGED_MAX }),
    set_tags: Type.Optional(Tags),
    add_tags: Type.Optional(Tags),
    remove_tags: Type.Optional(Tags),
    label: Type.Optional(Type.String({ maxLength: TAG_CHARACTERS_MAX })),
    pinned: Type.Optional(Type.Boolean({ description: 'Retention never removes a pinned one' })),
    trusted: Type.Optional(Type.Boolean({ description: 'Dispels a suspicion' })),
  },
  CLOSED,
);

export function snapshotRoutes(app: App, context: ServerContext): void {
  const { repository } = context;

  app.get(
    '/snapshots',
    {
      config: { access: 'read' },
      schema: {
        summary: 'List snapshots, the newest first',
        querystring: Type.Object({
          ...PageQuery,
          ...FilterQuery,
          since: Type.Optional(
            Type.String({ format: 'date-time', description: 'Snapshots of this moment or after it' }),
          ),
          pinned: Type.Optional(Type.Boolean()),
          suspect: Type.Optional(Type.Boolean()),
        }),
        response: { 200: Page(SnapshotSchema), ...PROBLEM_RESPONSES },
      },
    },
    async ({ query }) => {
      const { cursor, limit = PAGE_ITEMS_DEFAULT, pinned, suspect } = query;
      const sinceMs = query.since === undefined ? undefined : momentOf(query.since);
      const listed = await (await repository()).snapshots.list(filterOf(query), () => undefined);
      const all = listed
        .filter(
          (one) =>
            (pinned === undefined || one.pinned === pinned) &&
            (suspect === undefined || one.suspect === suspect) &&
            (sinceMs === undefined || Date.parse(one.time) >= sinceMs),
        )
        .reverse();
      const start = startOf(all, cursor);
      const items = all.slice(start, start + limit);
      const last = items.at(-1);
      const isLast = last === undefined || start + limit >= all.length;
      return {
        items: items.map(snapshotView),
        next_cursor: isLast ? null : encodeCursor({ id: last.id, ms: Date.parse(last.time) }),
      };
    },
  );

  app.get(
    '/snapshot',
    {
      config: { access: 'read' },
      schema: {
        summary: 'One snapshot, by any name it has',
        querystring: Type.Object({ snapshot: SnapshotName, ...FilterQuery }),
        response: { 200: Details, ...PROBLEM_RESPONSES },
      },
    },
    async ({ query }) => detailsView(await (await repository()).snapshots.find(query.snapshot, filterOf(query))),
  );

  declareChanges(app, context);
}

function declareChanges(app: App, { repository, events }: ServerContext): void {
  app.patch(
    '/snapshots',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Change tags, label, pin or trust of snapshots',
        body: Changes,
        response: {
          200: Type.Object({ changed: Type.Array(SnapshotSchema), unchanged: Type.Array(SnapshotSchema) }),
          ...PROBLEM_RESPONSES,
        },
      },
    },
    async ({ body }) => {
      const { changed, unchanged } = await annotate(await repository(), {
        snapshots: body.snapshots,
        setTags: body.set_tags,
        addTags: body.add_tags,
        removeTags: body.remove_tags,
        label: body.label,
        pinned: body.pinned,
        trusted: body.trusted,
      });
      if (changed.length > 0) events.publish('snapshots', { changed: changed.map(({ id }) => id) });
      return { changed: changed.map(snapshotView), unchanged: unchanged.map(snapshotView) };
    },
  );
}

function detailsView(snapshot: Snapshot) {
  const problems = snapshot.problems.map(({ path, pathBase64, during, code, message }) => {
    const place = pathBase64 === undefined ? { path } : { path, path_base64: pathBase64 };
    return { ...place, during, code, message };
  });
  return { ...snapshotView(snapshot), problems, left_out: snapshot.leftOut.count };
}

/** Where the page begins; a snapshot that was forgotten since then leaves its place to the one behind it. */
function startOf(newestFirst: readonly Snapshot[], cursor: string | undefined): number {
  if (cursor === undefined) return 0;
  const { id, ms } = decodeCursor(cursor, Cursor);
  const at = newestFirst.findIndex((snapshot) => snapshot.id === id);
  if (at >= 0) return at + 1;
  const next = newestFirst.findIndex(({ time }) => Date.parse(time) < ms);
  return next < 0 ? newestFirst.length : next;
}
