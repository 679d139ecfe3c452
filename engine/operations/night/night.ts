/**
 * Carries a night out: lock, plan, commands, part after part, and word to a health check. What a part does is handed in;
 * what is due and what stops what is decided in plan.ts.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError, errorMessage, isEngineError } from '../../base/errors.ts';
import { NIGHT_DRAIN_MS_MAX } from '../../base/limits.ts';
import { type Priority, yieldToOthers } from '../../filesystem/machine.ts';
import { aroundHooks, describeHook, type HookContext } from './around.ts';
import { HookThread } from './hook-thread.ts';
import { NightMemory } from './memory.ts';
import type {
  Hook,
  HookPoint,
  HookReport,
  NightPart,
  NightPartResult,
  NightPlan,
  NightResult,
  NightSchedule,
  PartReport,
  PingOptions,
  PingReport,
  PlannedPart,
} from './options.ts';
import { ping } from './ping.ts';
import { isFailure, nextState, obstacleTo, planNight } from './plan.ts';

export interface NightSetting {
  readonly location: string;
  readonly cacheDirectory: string;
  readonly schedule: NightSchedule;
  readonly hooks: readonly Hook[];
  /** What commands see as their environment. */
  readonly hookEnvironment: { readonly [name: string]: string | undefined };
  /** File descriptor that their output goes to. */
  readonly hookOutput: number | 'ignore';
  readonly ping?: PingOptions | undefined;
  /** `idle`: everybody else comes first, for the processor and the disk, until the process ends; `low`: for the processor. */
  readonly priority?: Priority | 'normal' | undefined;
  /** Default: now. */
  readonly now?: Date | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told as each part begins. */
  readonly onPart?: ((part: NightPart) => void) | undefined;
}

export type PartVerb<Details> = (context: {
  readonly subset: string | undefined;
  readonly signal: AbortSignal | undefined;
  /** For scratch folders of this night. */
  readonly scratchPrefix: string;
}) => Promise<PartReport<Details>>;

/** The verbs of a repository that is open. */
export interface OpenNight<Details> {
  readonly verbs: { readonly [part in NightPart]: PartVerb<Details> };
  close(): Promise<void>;
}

/** What would be done now; nothing is locked, started or written. */
export function previewNight(setting: NightSetting): NightPlan {
  const state = new NightMemory(setting.cacheDirectory, setting.location).load();
  return planNight(setting.schedule, state, (setting.now ?? new Date()).getTime());
}

/** REPOSITORY_LOCKED while another night is under way, STORAGE_FAILED without a lock; all else is in the result. */
export async function runNight<Details>(
  setting: NightSetting,
  open: () => Promise<OpenNight<Details>>,
): Promise<NightResult<Details>> {
  const memory = new NightMemory(setting.cacheDirectory, setting.location);
  const lock = memory.lock(setting.now ?? new Date());
  const thread = await HookThread.start();
  try {
    memory.sweep();
    return await new NightRun<Details>({ setting, memory, thread }).run(open);
  } finally {
    await thread.close();
    lock.release();
  }
}

class NightRun<Details> {
  readonly #setting: NightSetting;
  readonly #memory: NightMemory;
  readonly #thread: HookThread;
  readonly #startedMs: number;
  readonly #begunMs = performance.now();
  readonly #parts: NightPartResult<Details>[] = [];
  readonly #hooks: HookReport[] = [];
  readonly #pings: PingReport[] = [];
  readonly #notes: string[] = [];
  #error: EngineError | undefined;

  constructor(parts: { readonly setting: NightSetting; readonly memory: NightMemory; readonly thread: HookThread }) {
    this.#setting = parts.setting;
    this.#memory = parts.memory;
    this.#thread = parts.thread;
    this.#startedMs = (parts.setting.now ?? new Date()).getTime();
  }

  async run(open: () => Promise<OpenNight<Details>>): Promise<NightResult<Details>> {
    const { schedule } = this.#setting;
    const plan = planNight(schedule, this.#memory.load(), this.#startedMs);
    this.#stepBack();
    await this.#ping('start');
    try {
      await this.#around('run', {
        action: () => this.#runParts(plan, open),
        succeeded: () => !this.#hasFailed(),
      });
    } catch (error) {
      this.#error = asEngineError(error);
    }
    for (const planned of plan.slice(this.#parts.length)) this.#skip(planned, 'the night ended before');
    await this.#ping(this.#hasFailed() ? 'fail' : 'success');
    return {
      startedMs: this.#startedMs,
      parts: this.#parts,
      hooks: this.#hooks,
      pings: this.#pings,
      error: this.#error,
      notes: this.#notes,
      interrupted: this.#setting.signal?.aborted === true,
      durationSeconds: (performance.now() - this.#begunMs) / 1000,
    };
  }

  #stepBack(): void {
    const { priority = 'normal' } = this.#setting;
    if (priority === 'normal') return;
    const failures = yieldToOthers(this.#thread.threadId, priority);
    if (failures.length > 0) this.#notes.push(`Others could not be put first for ${failures.join(' and ')}`);
  }

  async #runParts(plan: NightPlan, open: () => Promise<OpenNight<Details>>): Promise<void> {
    const night = await open();
    try {
      for (const planned of plan) await this.#runPart(planned, night);
    } finally {
      await this.#drained(night.close());
    }
  }

  async #runPart(planned: PlannedPart, night: OpenNight<Details>): Promise<void> {
    const { part, subset } = planned;
    if (!planned.due) {
      this.#note(planned, { status: 'not-due', why: planned.why });
      return;
    }
    const { signal } = this.#setting;
    const obstacle = signal?.aborted === true ? 'the night was interrupted' : obstacleTo(part, this.#parts);
    if (obstacle !== undefined) {
      this.#skip(planned, obstacle);
      return;
    }
    this.#setting.onPart?.(part);
    const begunMs = performance.now();
    const seconds = (): number => (performance.now() - begunMs) / 1000;
    try {
      const context = { subset, signal, scratchPrefix: this.#memory.rehearsals };
      const report = await this.#around(part, {
        action: () => this.#drained(night.verbs[part](context)),
        succeeded: ({ status }) => !isFailure(part, status),
      });
      this.#note(planned, { ...report, why: planned.why, durationSeconds: seconds() });
    } catch (error) {
      const failure = asEngineError(error);
      this.#note(planned, { status: statusOf(failure), why: planned.why, error: failure, durationSeconds: seconds() });
    }
    // After each part: a night that is killed later did this much.
    const done = [{ part, status: this.#parts.at(-1)?.status ?? 'failed', subset }];
    this.#memory.save(nextState(this.#memory.load(), this.#startedMs, done));
  }

  #skip(planned: PlannedPart, why: string): void {
    if (planned.due) this.#note(planned, { status: 'skipped', why });
    else this.#note(planned, { status: 'not-due', why: planned.why });
  }

  #note(
    { part }: PlannedPart,
    result: Pick<NightPartResult<Details>, 'status' | 'why'> & Partial<NightPartResult<Details>>,
  ): void {
    const { status, why, details, error, durationSeconds = 0 } = result;
    this.#parts.push({ part, status, why, details, error, durationSeconds });
  }

  /** A verb that does not end when it is told to must not keep back the commands that come after it. */
  async #drained<Result>(work: Promise<Result>): Promise<Result> {
    const { signal } = this.#setting;
    if (signal === undefined) return work;
    const over = new AbortController();
    const late = async (): Promise<never> => {
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        else signal.addEventListener('abort', () => resolve(), { once: true, signal: over.signal });
        over.signal.addEventListener('abort', () => resolve(), { once: true });
      });
      await sleep(NIGHT_DRAIN_MS_MAX, undefined, { signal: over.signal, ref: false });
      throw new EngineError('INTERRUPTED', 'Interrupted, and what was under way did not end in time');
    };
    const tooLate = late();
    // Told to stop, it fails with nobody listening.
    tooLate.catch(() => undefined);
    try {
      return await Promise.race([work, tooLate]);
    } finally {
      over.abort();
      work.catch(() => undefined);
    }
  }

  #around<Result>(
    point: HookPoint,
    steps: { readonly action: () => Promise<Result>; readonly succeeded: (result: Result) => boolean },
  ): Promise<Result> {
    const { hooks, hookEnvironment: environment, hookOutput: output, signal } = this.#setting;
    const context: HookContext = {
      hooks,
      environment,
      output,
      signal,
      run: (hook: Hook, surroundings) => this.#thread.run(hook, surroundings),
      onReport: (report) => {
        this.#hooks.push(report);
        if (report.status !== 'done') this.#notes.push(`${describeHook(report.hook)} ${report.message}`);
      },
    };
    return aroundHooks(context, point, steps);
  }

  #hasFailed(): boolean {
    if (this.#error !== undefined || this.#setting.signal?.aborted === true) return true;
    if (this.#hooks.some(({ status, hook }) => status !== 'done' && hook.onFailure === 'stop')) return true;
    return this.#parts.some(({ part, status }) => isFailure(part, status));
  }

  async #ping(kind: PingReport['kind']): Promise<void> {
    const { ping: options, signal } = this.#setting;
    if (options === undefined) return;
    // That a night was interrupted is news, too: only word of its beginning may be cut short.
    const report = await ping(options, kind, kind === 'start' ? signal : undefined);
    this.#pings.push(report);
    if (report.problem !== undefined) this.#notes.push(`The health check did not hear of "${kind}": ${report.problem}`);
  }
}

const DAMAGE: ReadonlySet<string> = new Set(['OBJECT_CORRUPT', 'OBJECT_MISSING', 'OBJECT_UNREADABLE']);

function statusOf(error: EngineError): 'interrupted' | 'damage' | 'failed' {
  if (error.code === 'INTERRUPTED') return 'interrupted';
  return DAMAGE.has(error.code) ? 'damage' : 'failed';
}

function asEngineError(error: unknown): EngineError {
  return isEngineError(error) ? error : new EngineError('INTERNAL', errorMessage(error), error);
}
