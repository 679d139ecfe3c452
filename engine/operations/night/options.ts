/** What a night is made of, and what it answers. */

import type { EngineError } from '../../base/errors.ts';

/** In the order in which they run. */
export const NIGHT_PARTS = ['backup', 'forget', 'prune', 'check', 'copy', 'rehearsal'] as const;
export type NightPart = (typeof NIGHT_PARTS)[number];

/** What commands can stand before and after: a part, the whole night, or a restore that a server makes. */
export const HOOK_POINTS = ['run', ...NIGHT_PARTS, 'restore'] as const;
export type HookPoint = (typeof HOOK_POINTS)[number];

/** How often what is due. An interval that is undefined means never. */
export interface NightSchedule {
  /** There are rules of retention. */
  readonly forgets: boolean;
  readonly pruneEveryMs: number | undefined;
  readonly checkEveryMs: number | undefined;
  /** Each check reads one of so many parts of the data, the next one each time. */
  readonly checkParts: number;
  /** Other repositories that snapshots are copied to. */
  readonly copies: number;
  readonly rehearseEveryMs: number | undefined;
}

/** When what was done last, in milliseconds since 1970. It may be lost: then everything is due. */
export interface NightState {
  readonly prunedMs?: number;
  readonly checkedMs?: number;
  /** The part of the data that was read last, from 1. */
  readonly checkedPart?: number;
  readonly rehearsedMs?: number;
}

export interface PlannedPart {
  readonly part: NightPart;
  readonly due: boolean;
  /** Why, in words. */
  readonly why: string;
  /** For a check: `3/12`. */
  readonly subset?: string;
}

export type NightPlan = readonly PlannedPart[];

/**
 * How a part ended. `suspect`: the snapshot is kept and not trusted. `skipped`: it was due, and something before it stood
 * in the way.
 */
export const PART_STATUSES = [
  'done',
  'problems',
  'suspect',
  'damage',
  'failed',
  'interrupted',
  'skipped',
  'not-due',
] as const;
export type PartStatus = (typeof PART_STATUSES)[number];

/** What a part answers that ran to its end. */
export interface PartReport<Details> {
  readonly status: 'done' | 'problems' | 'suspect' | 'damage' | 'failed';
  readonly details: Details;
  /** Of a part that did some of its work and failed at the rest. */
  readonly error?: EngineError | undefined;
}

export interface NightPartResult<Details> {
  readonly part: NightPart;
  readonly status: PartStatus;
  /** Why it was due or not, or did not run. */
  readonly why: string;
  readonly details: Details | undefined;
  readonly error: EngineError | undefined;
  readonly durationSeconds: number;
}

export interface Hook {
  readonly when: 'before' | 'after';
  readonly point: HookPoint;
  /** A program and its arguments; no shell comes into it. */
  readonly command: readonly string[];
  readonly timeoutMs: number;
  /** `stop`: its failure is one of what it stands at. `continue`: it is only reported. */
  readonly onFailure: 'stop' | 'continue';
  /** Of what comes after: `always` means also after a failure and an interruption. */
  readonly on: 'always' | 'success' | 'failure';
}

export interface HookReport {
  readonly hook: Hook;
  readonly status: 'done' | 'failed' | 'timeout' | 'interrupted';
  /** Undefined where it was ended by a signal, or could not be started. */
  readonly exitCode: number | undefined;
  /** What went wrong, in words; empty where nothing did. */
  readonly message: string;
  readonly durationSeconds: number;
}

export interface PingOptions {
  /** `/start` and `/fail` are added to its path, as healthchecks.io has them. */
  readonly url: string;
  readonly timeoutMs: number;
  /** Attempts after the first one. */
  readonly retries: number;
}

export interface PingReport {
  readonly kind: 'start' | 'success' | 'fail';
  /** Undefined where it was heard. */
  readonly problem: string | undefined;
}

export interface NightResult<Details> {
  readonly startedMs: number;
  readonly parts: readonly NightPartResult<Details>[];
  readonly hooks: readonly HookReport[];
  readonly pings: readonly PingReport[];
  /** What kept the night from its parts: the repository did not open, a command before all of it failed. */
  readonly error: EngineError | undefined;
  /** Sentences that a person should read. */
  readonly notes: readonly string[];
  readonly interrupted: boolean;
  readonly durationSeconds: number;
}
