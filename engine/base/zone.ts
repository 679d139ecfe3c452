/** Wall clocks of the world's zones, from the tables that the runtime carries. */

import { EngineError } from './errors.ts';

const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;
/** How far from 1970 a Date reaches, either way. */
export const DATE_MS_MAX = 100_000_000 * DAY_MS;

/** One zone by its IANA name (`Europe/Berlin`, `UTC`). Times are milliseconds since 1970. */
export class Zone {
  /** As it was given: zones are renamed now and then, and both names hold. */
  readonly name: string;
  readonly #format: Intl.DateTimeFormat;
  /** Offsets of days (UTC) in which the clocks do not change. */
  readonly #days = new Map<number, number | 'changes'>();
  readonly #starts = new Map<number, number>();

  /** INVALID_ARGUMENT for a name that no zone has. */
  constructor(name: string) {
    this.name = name;
    try {
      this.#format = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset', year: 'numeric' });
    } catch (error) {
      throw new EngineError(
        'INVALID_ARGUMENT',
        `"${name}" is no time zone: give a name such as Europe/Berlin or UTC`,
        error,
      );
    }
  }

  /** The zone of this process. */
  static local(): Zone {
    return new Zone(Intl.DateTimeFormat().resolvedOptions().timeZone);
  }

  /** What is to be added to a moment for what the clocks on the wall show, in milliseconds. */
  offsetMs(ms: number): number {
    const day = Math.floor(ms / DAY_MS);
    let known = this.#days.get(day);
    if (known === undefined) {
      const first = this.#startOf(day);
      known = first === this.#startOf(day + 1) ? first : 'changes';
      this.#days.set(day, known);
    }
    return known === 'changes' ? this.#look(ms) : known;
  }

  #startOf(day: number): number {
    let offset = this.#starts.get(day);
    if (offset === undefined) {
      offset = this.#look(day * DAY_MS);
      this.#starts.set(day, offset);
    }
    return offset;
  }

  #look(ms: number): number {
    const text = this.#format.format(Math.min(Math.max(ms, -DATE_MS_MAX), DATE_MS_MAX));
    const match = /GMT(?:([+-])(\d{2}):(\d{2})(?::(\d{2}))?)?/.exec(text);
    if (match === null) throw new EngineError('INTERNAL', `The offset of ${this.name} cannot be read from "${text}"`);
    const [, sign, hours = '0', minutes = '0', seconds = '0'] = match;
    const offset = (Number(hours) * 60 + Number(minutes)) * MINUTE_MS + Number(seconds) * 1000;
    return sign === '-' ? -offset : offset;
  }

  /** The wall clock as if it were UTC: Date's UTC getters tell its fields. */
  wallMs(ms: number): number {
    return ms + this.offsetMs(ms);
  }

  /** The first moment at which the clocks show this or, where they skip it, would have shown it. */
  momentOfWall(wallMs: number): number {
    const candidates = [wallMs - this.offsetMs(wallMs - DAY_MS), wallMs - this.offsetMs(wallMs + DAY_MS)];
    const fitting = candidates.filter((ms) => this.wallMs(ms) === wallMs);
    return Math.min(...(fitting.length > 0 ? fitting : candidates));
  }
}
