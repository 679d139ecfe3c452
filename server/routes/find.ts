/** Searches all snapshots at once, and tells every version of one path. */

import { type Static, Type } from 'typebox';
import { type FindOptions, type FoundEntry, findEntries, logPath, type Time } from '../../engine/index.ts';
import { goneSignal } from '../client.ts';
import type { App, ServerContext } from '../context.ts';
import { decodeCursor, encodeCursor, pageOf } from '../cursors.ts';
import { FoundSchema, NODE_TYPES, VersionSchema } from '../entry-schemas.ts';
import { foundView, versionView } from '../entry-views.ts';
import { FilterQuery, filterOf, momentOf } from '../filters.ts';
import { KeptLists } from '../kept-lists.ts';
import { DAMAGE_TOLD_MAX, PAGE_ITEMS_DEFAULT, PATTERN_CHARACTERS_MAX } from '../limits.ts';
import { PathQuery, requirePath } from '../paths.ts';
import { Bytes, Nullable, PageQuery, PROBLEM_RESPONSES, SnapshotName, Words } from '../schemas.ts';

const Moment = Type.Optional(Type.String({ format: 'date-time', description: 'Of the modification time' }));

const FindQuery = Type.Object({
  ...PageQuery,
  pattern: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: PATTERN_CHARACTERS_MAX,
      description: 'A shell pattern: of the name without a slash in it, else of the path',
    }),
  ),
  ignore_case: Type.Optional(Type.Boolean()),
  type: Type.Optional(Words(NODE_TYPES)),
  size_min: Type.Optional(Bytes),
  size_max: Type.Optional(Bytes),
  not_before: Moment,
  not_after: Moment,
  snapshot: Type.Optional(SnapshotName),
  ...FilterQuery,
});
type FindQuestion = Static<typeof FindQuery>;

const Cursor = Type.Object({
  key: Type.String({ maxLength: 40 }),
  at: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
});

const Damage = Type.Array(Type.String(), { description: 'Snapshots that cannot be read: what they hold is not told' });

export function findRoutes(app: App, { repository }: ServerContext): void {
  const lists = new KeptLists<FoundEntry, readonly string[]>();
  app.addHook('onClose', async () => lists.close());

  app.get(
    '/find',
    {
      config: { access: 'read' },
      schema: {
        summary: 'Search all snapshots, or one',
        description: 'One path in one state is found once. A page may be short of its limit and still have a next one.',
        querystring: FindQuery,
        response: {
          200: Type.Object({ items: Type.Array(FoundSchema), next_cursor: Nullable(Type.String()), damage: Damage }),
          ...PROBLEM_RESPONSES,
        },
      },
    },
    async ({ query }, reply) => {
      const gone = goneSignal(reply);
      const { limit = PAGE_ITEMS_DEFAULT } = query;
      const place = query.cursor === undefined ? undefined : decodeCursor(query.cursor, Cursor);
      const options = optionsOf(query);
      const opened = await repository();
      const open = (signal: AbortSignal) => {
        const damage: string[] = [];
        return { events: findEntries(opened, { ...options, onDamage: noteIn(damage), signal }), memory: damage };
      };
      const { events, memory, next } = await lists.page({ place, limit, open, gone });
      return {
        items: events.map(foundView),
        next_cursor: next === undefined ? null : encodeCursor(next),
        damage: [...memory],
      };
    },
  );

  app.get(
    '/history',
    {
      config: { access: 'read' },
      schema: {
        summary: 'Every version of one path, the newest first',
        querystring: Type.Object({ ...PageQuery, ...PathQuery, ...FilterQuery }),
        response: {
          200: Type.Object({ items: Type.Array(VersionSchema), next_cursor: Nullable(Type.String()), damage: Damage }),
          ...PROBLEM_RESPONSES,
        },
      },
    },
    async ({ query }) => {
      const path = requirePath(query);
      const damage: string[] = [];
      const versions = await logPath(await repository(), { path, filter: filterOf(query), onDamage: noteIn(damage) });
      const { items, next_cursor } = pageOf(versions.reverse(), query);
      return { items: items.map((version) => versionView(path, version)), next_cursor, damage };
    },
  );
}

function noteIn(damage: string[]): (message: string) => void {
  return (message) => {
    if (damage.length < DAMAGE_TOLD_MAX) damage.push(message);
  };
}

function optionsOf(query: FindQuestion): FindOptions {
  return {
    pattern: query.pattern,
    ignoreCase: query.ignore_case,
    type: query.type,
    sizeMin: query.size_min,
    sizeMax: query.size_max,
    notBefore: query.not_before === undefined ? undefined : timeOf(query.not_before, 0),
    notAfter: query.not_after === undefined ? undefined : timeOf(query.not_after, 999_999),
    snapshot: query.snapshot,
    filter: filterOf(query),
  };
}

/** Moments are told in milliseconds, files have nanoseconds: the end of a span holds the whole millisecond. */
function timeOf(text: string, nanosecondsMore: number): Time {
  const ms = momentOf(text);
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanoseconds: (ms - seconds * 1000) * 1_000_000 + nanosecondsMore };
}
