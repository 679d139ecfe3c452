/** What the page takes the API's answers for is what the server's schemas say. Mistakes do not compile. */

import { test } from 'node:test';
import type { Static } from 'typebox';
import type { DiffItemView } from '../../server/entry-schemas.ts';
import type { DamageSearchAnswer } from '../../server/jobs/kinds/damage-search.ts';
import type { PlanAnswer } from '../../server/jobs/results.ts';
import type { NotificationsGiven, NotificationsView } from '../../server/notify/notification-settings.ts';
import type * as Page from '../../server/page/api-types.ts';
import type { Keys } from '../../server/routes/keys.ts';
import type { Deliveries } from '../../server/routes/notifications.ts';
import type { Schedule } from '../../server/schedule/schedule.ts';
import type { JobSchema, Problem, SnapshotSchema } from '../../server/schemas.ts';
import type { tokenView, userView } from '../../server/views.ts';

/** Does not compile where `Given` lacks something that `Wanted` has. */
type Fits<Wanted, Given extends Wanted> = Given;

/** Schemas say nothing of who may change what. */
type Mutable<Value> = Value extends object ? { -readonly [Name in keyof Value]: Mutable<Value[Name]> } : Value;

export type Checked = [
  Fits<Page.Job, Static<typeof JobSchema>>,
  Fits<Page.Snapshot, Static<typeof SnapshotSchema>>,
  Fits<Page.Schedule, Schedule>,
  Fits<Schedule, Page.Schedule>,
  Fits<Omit<Page.RestorePlan, 'removals'>, PlanAnswer>,
  Fits<Page.RestorePlan['removals'], NonNullable<PlanAnswer['removals']>>,
  Fits<Page.User, ReturnType<typeof userView>>,
  Fits<Page.Token, ReturnType<typeof tokenView>>,
  Fits<Page.Keys, Static<typeof Keys>>,
  Fits<Page.Notifications, Static<typeof NotificationsView>>,
  Fits<NotificationsGiven, Mutable<Page.NotificationsInput>>,
  Fits<Page.Deliveries, Static<typeof Deliveries>>,
  Fits<Page.DiffItem, DiffItemView>,
  Fits<Page.DamageSearch, DamageSearchAnswer>,
  Fits<{ readonly detail: string; readonly code: string }, Static<typeof Problem>>,
];

test('types of the page fit those of the API', () => undefined);
