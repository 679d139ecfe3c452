/** Decides what a night does, and what stops what. Without a clock, a file, or a repository. */

import { NIGHT_EARLY_MS_MAX, NIGHT_EARLY_SHARE } from '../../base/limits.ts';
import {
  NIGHT_PARTS,
  type NightPart,
  type NightPlan,
  type NightSchedule,
  type NightState,
  type PartStatus,
  type PlannedPart,
} from './options.ts';

/** What is due at `nowMs`, part by part in their order. */
export function planNight(schedule: NightSchedule, state: NightState, nowMs: number): NightPlan {
  return NIGHT_PARTS.map((part) => planPart(part, { schedule, state, nowMs }));
}

interface Facts {
  readonly schedule: NightSchedule;
  readonly state: NightState;
  readonly nowMs: number;
}

function planPart(part: NightPart, { schedule, state, nowMs }: Facts): PlannedPart {
  switch (part) {
    case 'backup':
      return { part, due: true, why: 'every night' };
    case 'forget':
      if (!schedule.forgets) return { part, due: false, why: 'no rule says what to keep' };
      return { part, due: true, why: 'every night' };
    case 'copy':
      if (schedule.copies === 0) return { part, due: false, why: 'no other repository is named' };
      return { part, due: true, why: 'every night' };
    case 'prune':
      return { part, ...dueSince(schedule.pruneEveryMs, state.prunedMs, nowMs) };
    case 'rehearsal':
      return { part, ...dueSince(schedule.rehearseEveryMs, state.rehearsedMs, nowMs) };
    case 'check': {
      const subset = `${nextPart(state.checkedPart, schedule.checkParts)}/${schedule.checkParts}`;
      return { part, ...dueSince(schedule.checkEveryMs, state.checkedMs, nowMs), subset };
    }
  }
}

/** Parts come round in turn, so that in time all of the data was read. */
function nextPart(last: number | undefined, parts: number): number {
  return last === undefined || !(last >= 1 && last < parts) ? 1 : last + 1;
}

function dueSince(
  everyMs: number | undefined,
  lastMs: number | undefined,
  nowMs: number,
): { due: boolean; why: string } {
  if (everyMs === undefined) return { due: false, why: 'never, as the configuration says' };
  if (lastMs === undefined) return { due: true, why: 'no earlier time is known' };
  // A clock that went back must not put anything off for years.
  if (lastMs > nowMs) return { due: true, why: 'the last time lies in the future' };
  const early = Math.min(everyMs * NIGHT_EARLY_SHARE, NIGHT_EARLY_MS_MAX);
  const nextMs = lastMs + everyMs;
  if (nowMs < nextMs - early) return { due: false, why: `not before ${inWords(nextMs)}` };
  return { due: true, why: `last time ${inWords(lastMs)}` };
}

function inWords(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16)}Z`;
}

interface Obstacle {
  readonly part: NightPart;
  readonly statuses: readonly PartStatus[];
  readonly why: string;
}

const NO_SNAPSHOT = 'the backup failed';
const LOST: readonly PartStatus[] = ['failed', 'skipped'];

/**
 * What stands in the way of a part. Nothing is removed in a night whose backup failed or met damage: what would go may be
 * all there is. A suspect snapshot is no obstacle, since retention counts it apart from the good ones.
 */
const OBSTACLES: { readonly [part in NightPart]: readonly Obstacle[] } = {
  backup: [],
  forget: [
    { part: 'backup', statuses: LOST, why: `${NO_SNAPSHOT}, so nothing is forgotten` },
    { part: 'backup', statuses: ['damage'], why: 'the repository is damaged, so nothing is forgotten' },
  ],
  prune: [
    { part: 'backup', statuses: LOST, why: `${NO_SNAPSHOT}, so nothing is removed` },
    { part: 'backup', statuses: ['damage'], why: 'the repository is damaged, so nothing is removed' },
    { part: 'forget', statuses: ['failed', 'damage'], why: 'forget failed, so nothing is removed' },
  ],
  check: [],
  copy: [],
  rehearsal: [{ part: 'backup', statuses: LOST, why: `${NO_SNAPSHOT}: there is nothing new to restore` }],
};

/** Why a part that is due cannot run after what came before; undefined where nothing stands in its way. */
export function obstacleTo(
  part: NightPart,
  before: readonly { readonly part: NightPart; readonly status: PartStatus }[],
): string | undefined {
  if (before.some(({ status }) => status === 'interrupted')) return 'the night was interrupted';
  const found = OBSTACLES[part].find((obstacle) =>
    before.some((one) => one.part === obstacle.part && obstacle.statuses.includes(one.status)),
  );
  return found?.why;
}

/** What a night leaves for the next one: only what was carried out counts as done. */
export function nextState(
  state: NightState,
  startedMs: number,
  done: readonly { readonly part: NightPart; readonly status: PartStatus; readonly subset?: string | undefined }[],
): NightState {
  const isDone = (part: NightPart): boolean =>
    done.some((one) => one.part === part && (one.status === 'done' || one.status === 'problems'));
  const subset = done.find(({ part }) => part === 'check')?.subset;
  return {
    ...state,
    ...(isDone('prune') ? { prunedMs: startedMs } : {}),
    ...(isDone('check') ? { checkedMs: startedMs } : {}),
    ...(isDone('check') && subset !== undefined ? { checkedPart: Number.parseInt(subset, 10) } : {}),
    ...(isDone('rehearsal') ? { rehearsedMs: startedMs } : {}),
  };
}

/** Whether whoever watches should hear of a failure: files that could not be read are named each night, and are none. */
export function isFailure(part: NightPart, status: PartStatus): boolean {
  if (status === 'problems') return part === 'rehearsal';
  return status !== 'done' && status !== 'not-due';
}
