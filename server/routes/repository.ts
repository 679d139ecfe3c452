/** What the repository is, how large it is and how it grows, and how its audits went. */

import { type Static, Type } from 'typebox';
import { growthOf, sizeOfRepository } from '../../engine/index.ts';
import { nameOf } from '../auth/identity.ts';
import type { App, ServerContext } from '../context.ts';
import { FilterQuery, filterOf } from '../filters.ts';
import type { Job } from '../jobs/job.ts';
import type { PartAnswer } from '../jobs/kinds/night.ts';
import {
  DAMAGE_TOLD_MAX,
  GROWTH_DAYS_DEFAULT,
  GROWTH_DAYS_MAX,
  JOBS_SEARCHED_MAX,
  PAGE_ITEMS_MAX,
  REPOSITORY_SIZE_MS,
} from '../limits.ts';
import {
  Bytes,
  CLOSED,
  Count,
  JobSchema,
  JobStarted,
  Nullable,
  PROBLEM_RESPONSES,
  SnapshotName,
  Time,
} from '../schemas.ts';
import { jobView, timeView } from '../views.ts';
import { sendJob } from './send-job.ts';

const RepositoryFacts = Type.Object({
  id: Type.String(),
  location: Type.String(),
  version: Type.Integer({ description: 'Of the format' }),
  created: Type.String(),
  features: Type.Array(Type.String()),
  bytes: Type.Integer({ minimum: 0, description: 'Of all its files' }),
  snapshots: Count,
  first_snapshot: Nullable(Type.String({ description: 'When it was taken' })),
  last_snapshot: Nullable(Type.String({ description: 'When it was taken' })),
  damage: Type.Array(Type.String(), { description: 'Snapshots that cannot be read' }),
});

const Growth = Type.Array(
  Type.Object({ date: Type.String(), snapshots: Count, data_added: Bytes, data_added_packed: Bytes }),
  { description: 'Day by day, oldest first' },
);

const Audit = Type.Object({
  job_id: Type.Integer(),
  ended_at: Time,
  result: Type.Unsafe<{ [name: string]: unknown }>({ type: 'object', additionalProperties: true }),
});

export function repositoryRoutes(app: App, context: ServerContext): void {
  const { repository } = context;
  const size = new RepositorySize(context);

  app.get(
    '/repository',
    {
      config: { access: 'read' },
      schema: { summary: 'What the repository is', response: { 200: RepositoryFacts, ...PROBLEM_RESPONSES } },
    },
    async () => {
      const { config, backend, snapshots } = await repository();
      const damage: string[] = [];
      const listed = await snapshots.list({}, (_id, { message }) => {
        if (damage.length < DAMAGE_TOLD_MAX) damage.push(message);
      });
      return {
        id: config.id,
        location: backend.location,
        version: config.version,
        created: config.created,
        features: [...config.compatible],
        bytes: await size.get(),
        snapshots: listed.length,
        first_snapshot: listed[0]?.time ?? null,
        last_snapshot: listed.at(-1)?.time ?? null,
        damage,
      };
    },
  );

  statsRoutes(app, context, size);
  auditRoutes(app, context);
}

function statsRoutes(app: App, { repository, jobs, state, options }: ServerContext, size: RepositorySize): void {
  app.get(
    '/stats',
    {
      config: { access: 'read' },
      schema: {
        summary: 'How the repository grows, and its last exact sums',
        querystring: Type.Object({
          ...FilterQuery,
          days: Type.Optional(Type.Integer({ minimum: 1, maximum: GROWTH_DAYS_MAX, default: GROWTH_DAYS_DEFAULT })),
        }),
        response: {
          200: Type.Object({ repository_bytes: Bytes, snapshots: Count, growth: Growth, sums: Nullable(JobSchema) }),
          ...PROBLEM_RESPONSES,
        },
      },
    },
    async ({ query }) => {
      const { days = GROWTH_DAYS_DEFAULT } = query;
      const snapshots = await (await repository()).snapshots.list(filterOf(query), () => undefined);
      const growth = growthOf(snapshots)
        .slice(-days)
        .map(({ date, snapshots: count, dataAdded, dataAddedPacked }) => ({
          date,
          snapshots: count,
          data_added: dataAdded,
          data_added_packed: dataAddedPacked,
        }));
      const last = state.jobs.findLast('stats');
      const sums = last === undefined ? undefined : jobs.find(last.id);
      return {
        repository_bytes: await size.get(),
        snapshots: snapshots.length,
        growth,
        sums: sums === undefined ? null : jobView(sums.job, sums.progress),
      };
    },
  );

  app.post(
    '/stats',
    {
      config: { access: 'backup' },
      schema: {
        summary: 'Make the sums: of all snapshots, or what one of them alone holds',
        body: Type.Object({ snapshot: Type.Optional(SnapshotName) }, CLOSED),
        response: { 202: JobStarted, ...PROBLEM_RESPONSES },
      },
    },
    async ({ body, identity }, reply) => {
      const { snapshot: name } = body;
      const snapshot = name === undefined ? undefined : (await (await repository()).snapshots.find(name)).id;
      const job = jobs.start({
        kind: 'stats',
        request: { options: { snapshot } },
        title: snapshot === undefined ? 'Sizes' : `Sizes of snapshot ${snapshot.slice(0, 8)}`,
        trigger: 'manual',
        createdBy: nameOf(identity),
      });
      return sendJob(reply, options, job);
    },
  );
}

function auditRoutes(app: App, { state }: ServerContext): void {
  app.get(
    '/check',
    {
      config: { access: 'read' },
      schema: {
        summary: 'How the last audits went, the newest first: those that were asked for and those of nights',
        querystring: Type.Object({
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: PAGE_ITEMS_MAX, default: 10 })),
        }),
        response: { 200: Type.Object({ items: Type.Array(Audit) }), ...PROBLEM_RESPONSES },
      },
    },
    async ({ query }) => {
      const jobs = state.jobs.list({ limit: JOBS_SEARCHED_MAX, statuses: ['COMPLETED', 'FAILED'] });
      return { items: jobs.flatMap(auditsOf).slice(0, query.limit ?? 10) };
    },
  );
}

function auditsOf(job: Job): Static<typeof Audit>[] {
  const result = job.kind === 'check' ? job.result : checkPartOf(job);
  if (result === undefined || result === null || job.endedMs === undefined) return [];
  return [{ job_id: job.id, ended_at: timeView(job.endedMs), result: result as { [name: string]: unknown } }];
}

function checkPartOf(job: Job): unknown {
  if (job.kind !== 'night') return undefined;
  const { parts = [] } = (job.result ?? {}) as { readonly parts?: readonly PartAnswer[] };
  return parts.find(({ part }) => part === 'check')?.details;
}

/** Counts once for all who ask at the same time, and not again for a while. */
class RepositorySize {
  readonly #context: ServerContext;
  #counting: Promise<number> | undefined;
  #untilMs = 0;

  constructor(context: ServerContext) {
    this.#context = context;
    // What a job wrote or freed shows at once.
    context.jobs.onEnd(() => {
      this.#untilMs = 0;
    });
  }

  async get(): Promise<number> {
    if (this.#counting === undefined || performance.now() > this.#untilMs) {
      this.#untilMs = performance.now() + REPOSITORY_SIZE_MS;
      this.#counting = this.#context.repository().then((opened) => sizeOfRepository(opened));
    }
    try {
      return await this.#counting;
    } catch (error) {
      this.#counting = undefined;
      throw error;
    }
  }
}
