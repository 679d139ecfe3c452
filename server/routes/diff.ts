/** What changed between two moments, or between a moment and the disk as it is now. */

import { type Static, Type } from 'typebox';
import { type DiffEvent, type DiffOptions, type DiffSummary, diff, type Snapshot } from '../../engine/index.ts';
import { nameOf } from '../auth/identity.ts';
import { goneSignal } from '../client.ts';
import type { App, ServerContext } from '../context.ts';
import { decodeCursor, encodeCursor } from '../cursors.ts';
import { DiffItem, DiffSummarySchema, SnapshotReference } from '../entry-schemas.ts';
import { diffItemView, diffSummaryView, referenceView } from '../entry-views.ts';
import { FilterQuery, filterOf } from '../filters.ts';
import { KeptLists, type ListPage, type ListPlace } from '../kept-lists.ts';
import { PAGE_ITEMS_DEFAULT } from '../limits.ts';
import { optionalPath, PathQuery, requireInSources } from '../paths.ts';
import { ServerError } from '../problems.ts';
import { CLOSED, JobStarted, Nullable, PageQuery, PROBLEM_RESPONSES, SnapshotName } from '../schemas.ts';
import { sendJob } from './send-job.ts';

const DiffQuery = Type.Object({
  ...PageQuery,
  before: SnapshotName,
  after: Type.Optional(SnapshotName),
  live: Type.Optional(Type.Boolean({ description: 'Compare with the disk as it is now, instead of `after`' })),
  ...PathQuery,
  ...FilterQuery,
  tables: Type.Optional(Type.Boolean({ description: 'Databases table by table (default: true)' })),
  rows: Type.Optional(Type.Boolean({ description: 'Rows of tables as well' })),
  summary_only: Type.Optional(Type.Boolean({ description: 'Counts and bytes alone' })),
});
type DiffQuestion = Static<typeof DiffQuery>;

const DiffAnswer = Type.Object({
  before: SnapshotReference,
  after: Nullable(SnapshotReference),
  items: Type.Array(DiffItem, { description: 'In order of paths; tables of a database behind it' }),
  next_cursor: Nullable(Type.String()),
  summary: Nullable(DiffSummarySchema),
});

/** Names such as `latest` mean something else tomorrow: later pages go on with what they meant on the first one. */
const Cursor = Type.Object({
  key: Type.String({ maxLength: 40 }),
  at: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  before: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  after: Nullable(Type.String({ pattern: '^[0-9a-f]{64}$' })),
});

interface Sides {
  readonly before: Snapshot;
  readonly after: Snapshot | undefined;
}

export function diffRoutes(app: App, { repository, jobs, options: serve }: ServerContext): void {
  const lists = new KeptLists<DiffEvent, Sides>();
  app.addHook('onClose', async () => lists.close());

  app.get(
    '/diff',
    {
      config: { access: 'read' },
      schema: {
        summary: 'What changed between two snapshots, or since one of them',
        description:
          'The summary comes with the last page. A page may be short of its limit and still have a next one.',
        querystring: DiffQuery,
        response: { 200: DiffAnswer, ...PROBLEM_RESPONSES },
      },
    },
    async ({ query }, reply) => {
      const gone = goneSignal(reply);
      const { limit = PAGE_ITEMS_DEFAULT } = query;
      const place = query.cursor === undefined ? undefined : decodeCursor(query.cursor, Cursor);
      const sides = await sidesOf(query, place);
      const options = { ...optionsOf(query), before: sides.before.id, after: sides.after?.id ?? { live: {} } };
      if (sides.after === undefined) await requireInSources(options.path ?? Buffer.from('/'), sides.before.paths);
      const opened = await repository();
      if (query.summary_only === true) return wholeAnswer(sides, diff(opened, { ...options, signal: gone }));
      const open = (signal: AbortSignal) => ({ events: diff(opened, { ...options, signal }), memory: sides });
      return pageAnswer(await lists.page({ place, limit, open, gone }));
    },
  );

  app.post(
    '/diff/damage-search',
    {
      config: { access: 'backup' },
      schema: {
        summary: 'Read every file on the disk and hold it against a snapshot',
        description:
          'The job finds files that changed although their times and sizes did not: silent damage of the disk. It takes as long as reading them does.',
        body: Type.Object({ snapshot: SnapshotName, ...PathQuery }, CLOSED),
        response: { 202: JobStarted, ...PROBLEM_RESPONSES },
      },
    },
    async ({ body, identity }, reply) => {
      const path = optionalPath(body);
      const snapshot = await (await repository()).snapshots.find(body.snapshot);
      await requireInSources(path ?? Buffer.from('/'), snapshot.paths);
      const job = jobs.start({
        kind: 'damage-search',
        request: { snapshot: snapshot.id, path },
        title: `Silent damage since ${snapshot.time.slice(0, 16).replace('T', ' ')}`,
        trigger: 'manual',
        createdBy: nameOf(identity),
      });
      return sendJob(reply, serve, job);
    },
  );

  async function sidesOf(query: DiffQuestion, place: Static<typeof Cursor> | undefined): Promise<Sides> {
    if ((query.after === undefined) !== (query.live === true)) {
      throw new ServerError('REQUEST_INVALID', 'Say what to compare with: either after, or live=true');
    }
    const { snapshots } = await repository();
    const filter = filterOf(query);
    const after = place === undefined ? query.after : (place.after ?? undefined);
    return {
      before: await snapshots.find(place?.before ?? query.before, filter),
      after: after === undefined ? undefined : await snapshots.find(after, filter),
    };
  }
}

function optionsOf(query: DiffQuestion): Omit<DiffOptions, 'before' | 'after' | 'filter' | 'signal'> {
  return { path: optionalPath(query), tables: query.tables, rows: query.rows };
}

/** Nothing of it but the summary is told, so nothing is kept. */
async function wholeAnswer(sides: Sides, events: AsyncIterable<DiffEvent>): Promise<Static<typeof DiffAnswer>> {
  let summary: DiffSummary | undefined;
  for await (const event of events) if (event.event === 'summary') summary = event;
  return answerOf(sides, { events: summary === undefined ? [] : [summary], next: undefined });
}

function pageAnswer({ memory, ...page }: ListPage<DiffEvent, Sides>): Static<typeof DiffAnswer> {
  return answerOf(memory, page);
}

function answerOf(
  { before, after }: Sides,
  { events, next }: { readonly events: readonly DiffEvent[]; readonly next: ListPlace | undefined },
): Static<typeof DiffAnswer> {
  const summary = events.find((event) => event.event === 'summary');
  const items = events.filter((event) => event.event !== 'summary');
  return {
    before: referenceView(before),
    after: after === undefined ? null : referenceView(after),
    items: items.map(diffItemView),
    next_cursor: next === undefined ? null : encodeCursor({ ...next, before: before.id, after: after?.id ?? null }),
    summary: summary === undefined ? null : diffSummaryView(summary),
  };
}
