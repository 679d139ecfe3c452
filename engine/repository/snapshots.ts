/** Snapshots of a repository: listing, naming, saving. */

import { EngineError } from '../base/errors.ts';
import { parseSnapshotId, type SnapshotId } from '../base/ids.ts';
import { parseMoment } from '../base/moment.ts';
import { encodeSnapshot, type SnapshotRecord } from '../format/snapshot.ts';
import type { Annotations } from './annotations.ts';
import { type Store, saveRecord } from './sealed-files.ts';
import { type OnDamage, type Snapshot, SnapshotCatalog, timeOf } from './snapshot-catalog.ts';

export { type Snapshot, sortSnapshots, timeOf } from './snapshot-catalog.ts';

/** Which snapshots count. Every field that is set must fit. */
export interface SnapshotFilter {
  readonly hosts?: readonly string[] | undefined;
  /** A snapshot must carry all of them. */
  readonly tags?: readonly string[] | undefined;
  readonly labels?: readonly string[] | undefined;
  /** A snapshot must have each of them among its paths. */
  readonly paths?: readonly Buffer[] | undefined;
  /** Only snapshots of this moment or before it. */
  readonly until?: Date | undefined;
}

/** Which of the snapshots that were forgotten count. */
export type ForgottenOnes = 'without' | 'with' | 'only';

export const SHORT_ID_LENGTH = 8;

/** Label of what was there before a restore in place: nobody means such a snapshot by `latest` or a date unless asked for. */
export const SAFETY_LABEL = 'before-restore';
/** Of snapshots of a server's own state, which it takes behind those of the library. */
export const SERVER_STATE_LABEL = 'snap-server-state';
/** Nobody means one of these by `latest` or a date who does not ask for its label. */
const ASIDE_LABELS: ReadonlySet<string> = new Set([SAFETY_LABEL, SERVER_STATE_LABEL]);

export function matchesFilter(snapshot: SnapshotRecord, filter: SnapshotFilter): boolean {
  if (filter.hosts !== undefined && filter.hosts.length > 0 && !filter.hosts.includes(snapshot.host)) return false;
  if (filter.labels !== undefined && filter.labels.length > 0 && !filter.labels.includes(snapshot.label)) return false;
  if (filter.tags?.some((tag) => !snapshot.tags.includes(tag)) === true) return false;
  if (filter.until !== undefined && timeOf(snapshot) > filter.until.getTime()) return false;
  return filter.paths?.some((path) => !snapshot.paths.some((own) => own.equals(path))) !== true;
}

export class SnapshotStore {
  readonly #store: Store;
  readonly #catalog: SnapshotCatalog;

  /** `keeps`: what was read stays in memory, for one that asks again and again (snapshot-catalog.ts). */
  constructor(store: Store, keeps = false) {
    this.#store = store;
    this.#catalog = new SnapshotCatalog(store, keeps);
  }

  async save(record: SnapshotRecord): Promise<Snapshot> {
    const { id } = await saveRecord(this.#store, 'snapshot', encodeSnapshot(record));
    const suspect = record.suspicion !== undefined;
    return { ...record, id: id as SnapshotId, pinned: false, suspect, forgotten: false };
  }

  /** A snapshot with the facts that were added to it. */
  async load(id: SnapshotId, annotations?: Annotations): Promise<Snapshot> {
    return this.#catalog.load(id, annotations ?? (await this.annotations()));
  }

  annotations(): Promise<Annotations> {
    return this.#catalog.annotations();
  }

  /** True where it is there and not forgotten. */
  async isListed(id: SnapshotId): Promise<boolean> {
    if ((await this.#store.backend.size('snapshot', id)) === undefined) return false;
    return !(await this.annotations()).factsOf(id).forgotten;
  }

  /** All ids, in no order. */
  ids(): Promise<SnapshotId[]> {
    return this.#catalog.ids();
  }

  /**
   * All snapshots that fit, oldest first. One that cannot be read is told to `onDamage` and left out; without
   * `onDamage` its error is thrown.
   */
  async list(
    filter: SnapshotFilter = {},
    onDamage?: OnDamage,
    forgotten: ForgottenOnes = 'without',
  ): Promise<Snapshot[]> {
    const { all, listed } = await this.#catalog.list(await this.annotations(), onDamage);
    const asked = forgotten === 'without' ? listed : all;
    if (forgotten !== 'only' && Object.values(filter).every((one) => one === undefined)) return [...asked];
    return asked.filter((snapshot) => (forgotten !== 'only' || snapshot.forgotten) && matchesFilter(snapshot, filter));
  }

  /**
   * All snapshots, the forgotten ones among them, oldest first, for verbs that remove something: read anew, whatever is in
   * memory. OBJECT_CORRUPT where one snapshot or one annotation cannot be read: a pin may stand in it, and an error is not
   * emptiness (trap 12).
   */
  async listSound(): Promise<{ readonly snapshots: readonly Snapshot[]; readonly annotations: Annotations }> {
    const catalog = new SnapshotCatalog(this.#store, false);
    const annotations = await catalog.annotations();
    const damage = annotations.damage.map(({ object, error }) => ({ object, error }));
    const { all: snapshots } = await catalog.list(annotations, (id, error) =>
      damage.push({ object: `snapshots/${id}`, error }),
    );
    const [first] = damage;
    if (first === undefined) return { snapshots, annotations };
    const count = damage.length === 1 ? '1 file' : `${damage.length} files`;
    throw new EngineError(
      'OBJECT_CORRUPT',
      `Nothing was removed: ${count} cannot be read (${first.object}), and what stands there may protect a snapshot. "snap check" says more`,
      first.error,
    );
  }

  /** One snapshot by `latest`, `latest~N`, `@` and a moment, its id, or a unique prefix of it. */
  async find(name: string, filter: SnapshotFilter = {}): Promise<Snapshot> {
    const back = /^latest(?:~(\d{1,6}))?$/.exec(name);
    if (back !== null) return this.#latest(name, Number(back[1] ?? 0), filter);
    if (name.startsWith('@')) return this.#at(name, filter);
    return this.#byId(name, 'without');
  }

  /** One that was forgotten and not pruned, by its id or a unique prefix of it. */
  findForgotten(name: string): Promise<Snapshot> {
    return this.#byId(name, 'only');
  }

  async #byId(name: string, forgotten: ForgottenOnes): Promise<Snapshot> {
    const wanted = name.toLowerCase();
    if (!/^[0-9a-f]{1,64}$/.test(wanted)) {
      throw new EngineError(
        'INVALID_ARGUMENT',
        `"${name}" names no snapshot: give an id or its first digits, latest, latest~N, or a moment such as @yesterday`,
      );
    }
    const annotations = await this.annotations();
    const isMeant = (id: SnapshotId): boolean => annotations.factsOf(id).forgotten === (forgotten === 'only');
    const all = await this.#beginningWith(wanted);
    const fitting = all.filter(isMeant);
    const [only] = fitting;
    if (only === undefined) {
      const hint =
        all.length > 0 && forgotten === 'without' ? '; one was forgotten, and "snap undelete" brings it back' : '';
      throw new EngineError('SNAPSHOT_NOT_FOUND', `No snapshot has an id that begins with ${wanted}${hint}`);
    }
    if (fitting.length > 1) {
      const some = fitting.slice(0, 5).map((id) => id.slice(0, wanted.length + 4));
      throw new EngineError(
        'SNAPSHOT_AMBIGUOUS',
        `${wanted} fits ${fitting.length} snapshots (${some.join(', ')}): give more digits`,
      );
    }
    return this.load(only, annotations);
  }

  async #beginningWith(digits: string): Promise<SnapshotId[]> {
    const whole = parseSnapshotId(digits);
    if (whole === undefined) return (await this.ids()).filter((id) => id.startsWith(digits));
    // One is looked for faster than all are listed.
    return (await this.#store.backend.size('snapshot', whole)) === undefined ? [] : [whole];
  }

  /** All that may be meant; a damaged one is an error, since it may be the one. */
  async #listWhole(name: string, filter: SnapshotFilter): Promise<Snapshot[]> {
    const all = await this.list(filter, (id, error) => {
      throw new EngineError(
        error.code,
        `Snapshot ${id.slice(0, SHORT_ID_LENGTH)} is damaged, and may be the one that "${name}" means: ${error.message}. ` +
          'Give the id of another one; "snap snapshots" lists them',
        error,
      );
    });
    const isAsked = (filter.labels ?? []).length + (filter.tags ?? []).length > 0;
    return isAsked ? all : all.filter(({ label }) => !ASIDE_LABELS.has(label));
  }

  async #latest(name: string, back: number, filter: SnapshotFilter): Promise<Snapshot> {
    const snapshots = await this.#listWhole(name, filter);
    const snapshot = snapshots.at(-1 - back);
    if (snapshot !== undefined) return snapshot;
    if (filter.until !== undefined && snapshots.length === 0) return this.#noneUntil(filter.until, filter);
    const count = snapshots.length === 1 ? 'there is 1 snapshot' : `there are ${snapshots.length} snapshots`;
    throw new EngineError('SNAPSHOT_NOT_FOUND', `${name} does not exist: ${count} that fit`);
  }

  async #at(name: string, filter: SnapshotFilter): Promise<Snapshot> {
    const asked = parseMoment(name.slice(1), new Date());
    const until = new Date(Math.min(asked, filter.until?.getTime() ?? asked));
    const found = (await this.#listWhole(name, { ...filter, until })).at(-1);
    return found ?? this.#noneUntil(until, filter);
  }

  async #noneUntil(until: Date, filter: SnapshotFilter): Promise<never> {
    const [first] = await this.list({ ...filter, until: undefined }, () => undefined);
    const why =
      first === undefined
        ? 'no snapshot fits at all'
        : `the first that fits is ${first.id.slice(0, SHORT_ID_LENGTH)} of ${first.time}`;
    throw new EngineError('SNAPSHOT_NOT_FOUND', `There is no snapshot of ${until.toISOString()} or before it: ${why}`);
  }
}
