/** What is kept and what goes: the rules that nights follow, what they or others would do and why, and letting go. */

import { type Static, Type } from 'typebox';
import {
  type ForgetOptions,
  type ForgetResult,
  forget,
  GROUP_FIELDS,
  type RetentionDecision,
  type RetentionGroup,
} from '../../engine/index.ts';
import { nameOf } from '../auth/identity.ts';
import type { App, ServerContext } from '../context.ts';
import { pageOf } from '../cursors.ts';
import { SnapshotReference } from '../entry-schemas.ts';
import { referenceView } from '../entry-views.ts';
import { FilterQuery, filterOf } from '../filters.ts';
import {
  FILTER_VALUES_MAX,
  PAGE_ITEMS_DEFAULT,
  RETENTION_KEPT_MAX,
  SNAPSHOTS_CHANGED_MAX,
  TAG_CHARACTERS_MAX,
} from '../limits.ts';
import { ServerError } from '../problems.ts';
import { retentionOf } from '../schedule/night.ts';
import { SCHEDULE } from '../schedule/schedule.ts';
import { CLOSED, Count, JobStarted, Nullable, PageQuery, PROBLEM_RESPONSES, SnapshotName, Words } from '../schemas.ts';
import { sendJob } from './send-job.ts';

const Keep = Type.Optional(Type.Integer({ minimum: 0, maximum: RETENTION_KEPT_MAX }));

/** Without any of them: the rules that nights follow. */
const Rules = {
  keep_last: Keep,
  keep_hourly: Keep,
  keep_daily: Keep,
  keep_weekly: Keep,
  keep_monthly: Keep,
  keep_yearly: Keep,
  keep_within: Type.Optional(Type.String({ maxLength: 50, description: 'Such as 30d, 1y6m or 36h' })),
  keep_tag: Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: TAG_CHARACTERS_MAX }), { maxItems: FILTER_VALUES_MAX }),
  ),
} as const;

const PlanQuery = Type.Object({
  ...PageQuery,
  ...Rules,
  group_by: Type.Optional(Type.Array(Words(GROUP_FIELDS), { maxItems: GROUP_FIELDS.length })),
  zone: Type.Optional(Type.String({ maxLength: 100, description: 'IANA name of the zone whose days count' })),
  ...FilterQuery,
});
type PlanQuestion = Static<typeof PlanQuery>;

const Group = Type.Object({
  key: Type.Object({
    host: Type.Optional(Type.String()),
    label: Type.Optional(Type.String()),
    tags: Type.Optional(Type.Array(Type.String())),
    paths: Type.Optional(Type.Array(Type.String())),
  }),
  keep: Count,
  remove: Count,
});

const Decision = Type.Object({
  group: Type.Integer({ minimum: 0, description: 'Which one of groups' }),
  snapshot: SnapshotReference,
  kept: Type.Boolean(),
  reasons: Type.Array(Type.Object({ rule: Type.String(), text: Type.String() })),
  flaws: Type.Array(Type.String(), { description: 'Why it does not count as a good one' }),
});

const Plan = Type.Object({
  policy: Type.String({ description: 'The rules in words' }),
  zone: Type.String(),
  kept: Count,
  removed: Count,
  warnings: Type.Array(Type.String()),
  groups: Type.Array(Group),
  items: Type.Array(Decision, { description: 'Group by group, the newest first' }),
  next_cursor: Nullable(Type.String()),
});

const Policy = Type.Object({
  source: Words(['days', 'configuration', 'none'], {
    description: 'Days that were set in the schedule, rules of the configuration file, or nothing: then all is kept',
  }),
  days: Nullable(Type.Integer()),
  rules: Type.Unsafe<{ [name: string]: unknown }>({ type: 'object', additionalProperties: true }),
  labels: Nullable(Type.Array(Type.String(), { description: 'Only snapshots with one of these labels' })),
  zone: Nullable(Type.String()),
});

export function retentionRoutes(app: App, context: ServerContext): void {
  const { settings, repository, nowMs } = context;

  app.get(
    '/retention',
    {
      config: { access: 'read' },
      schema: { summary: 'The rules that nights follow', response: { 200: Policy, ...PROBLEM_RESPONSES } },
    },
    async () => {
      const schedule = settings.get(SCHEDULE);
      const inForce = retentionOf(context, schedule);
      const { policy = {}, filter, zone } = inForce ?? {};
      const source = inForce === undefined ? 'none' : schedule.retention_days === null ? 'configuration' : 'days';
      return {
        source: source as Static<typeof Policy>['source'],
        days: schedule.retention_days,
        rules: rulesView(policy),
        labels: filter?.labels === undefined ? null : [...filter.labels],
        zone: zone ?? null,
      };
    },
  );

  app.get(
    '/retention/plan',
    {
      config: { access: 'read' },
      schema: {
        summary: 'What the rules of nights, or those that are given, would keep and let go now, and why',
        querystring: PlanQuery,
        response: { 200: Plan, ...PROBLEM_RESPONSES },
      },
    },
    async ({ query }) => {
      const options = optionsOf(context, query);
      const result = await forget(await repository(), { ...options, now: new Date(nowMs()), dryRun: true });
      return planView(result, query);
    },
  );

  declareForgetting(app, context);
}

function declareForgetting(app: App, context: ServerContext): void {
  const { jobs, options, repository } = context;

  app.post(
    '/retention/apply',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Let go of what the rules of nights do not keep',
        body: Type.Object({}, CLOSED),
        response: { 202: JobStarted, ...PROBLEM_RESPONSES },
      },
    },
    async ({ identity }, reply) => {
      const request = { options: optionsOf(context, {}) };
      const createdBy = nameOf(identity);
      const job = jobs.start({ kind: 'forget', request, title: 'Retention', trigger: 'manual', createdBy });
      return sendJob(reply, options, job);
    },
  );

  app.post(
    '/snapshots/forget',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Forget snapshots that are named; never pinned ones, nor the last good one',
        body: Type.Object(
          { snapshots: Type.Array(SnapshotName, { minItems: 1, maxItems: SNAPSHOTS_CHANGED_MAX }) },
          CLOSED,
        ),
        response: { 202: JobStarted, ...PROBLEM_RESPONSES },
      },
    },
    async ({ body, identity }, reply) => {
      const names: readonly string[] = body.snapshots;
      const { snapshots } = await repository();
      // By then a name such as latest may mean another one.
      const ids: string[] = [];
      for (const name of names) ids.push((await snapshots.find(name)).id);
      const job = jobs.start({
        kind: 'forget',
        request: { options: { snapshots: ids } },
        title: ids.length === 1 ? `Forget snapshot ${ids[0]?.slice(0, 8)}` : `Forget ${ids.length} snapshots`,
        trigger: 'manual',
        createdBy: nameOf(identity),
      });
      return sendJob(reply, options, job);
    },
  );
}

type Retention = Pick<ForgetOptions, 'policy' | 'filter' | 'groupBy' | 'zone'>;

/** CONFLICT where no rules are given and nights follow none. */
function optionsOf(context: ServerContext, query: PlanQuestion): Retention {
  const policy: NonNullable<Retention['policy']> = {
    keepLast: query.keep_last,
    keepHourly: query.keep_hourly,
    keepDaily: query.keep_daily,
    keepWeekly: query.keep_weekly,
    keepMonthly: query.keep_monthly,
    keepYearly: query.keep_yearly,
    keepWithin: query.keep_within,
    keepTags: query.keep_tag,
  };
  if (Object.values(policy).some((rule) => rule !== undefined)) {
    return { policy, filter: filterOf(query), groupBy: query.group_by, zone: query.zone };
  }
  const inForce = retentionOf(context, context.settings.get(SCHEDULE));
  if (inForce !== undefined) return inForce;
  throw new ServerError(
    'CONFLICT',
    'Nights let nothing go: no days and no rules are set. Give rules to see a plan of them',
  );
}

function rulesView(policy: NonNullable<Retention['policy']>): { [name: string]: unknown } {
  const rules = {
    keep_last: policy.keepLast,
    keep_hourly: policy.keepHourly,
    keep_daily: policy.keepDaily,
    keep_weekly: policy.keepWeekly,
    keep_monthly: policy.keepMonthly,
    keep_yearly: policy.keepYearly,
    keep_within: policy.keepWithin,
    keep_tag: policy.keepTags,
  };
  return Object.fromEntries(Object.entries(rules).filter(([, value]) => value !== undefined));
}

function planView(result: ForgetResult, query: PlanQuestion): Static<typeof Plan> {
  const decisions = result.groups.flatMap((group, number) => decisionsOf(group, number));
  const { items, next_cursor } = pageOf(decisions, { limit: PAGE_ITEMS_DEFAULT, ...query });
  return {
    policy: result.policy,
    zone: result.zone,
    kept: result.kept,
    removed: result.removed,
    warnings: [...result.warnings],
    groups: result.groups.map(({ key, keep, remove }) => ({
      key: keyView(key),
      keep: keep.length,
      remove: remove.length,
    })),
    items: [...items],
    next_cursor,
  };
}

function keyView({ host, label, tags, paths }: RetentionGroup['key']): Static<typeof Group>['key'] {
  return {
    ...(host === undefined ? {} : { host }),
    ...(label === undefined ? {} : { label }),
    ...(tags === undefined ? {} : { tags: [...tags] }),
    ...(paths === undefined ? {} : { paths: [...paths] }),
  };
}

function decisionsOf({ keep, remove }: RetentionGroup, group: number): Static<typeof Decision>[] {
  const newestFirst = [...keep, ...remove].sort((a, b) => Date.parse(b.snapshot.time) - Date.parse(a.snapshot.time));
  return newestFirst.map(({ snapshot, reasons, flaws }: RetentionDecision) => ({
    group,
    snapshot: referenceView(snapshot),
    kept: reasons.length > 0,
    reasons: reasons.map(({ rule, text }) => ({ rule, text })),
    flaws: [...flaws],
  }));
}
