/** Snapshots of a repository: listing, naming, saving. */

import { EngineError } from '../base/errors.ts';
import { parseSnapshotId, type SnapshotId } from '../base/ids.ts';
import { decodeSnapshot, encodeSnapshot, type SnapshotRecord } from '../format/snapshot.ts';
import { loadRecord, type Store, saveRecord } from './sealed-files.ts';

export interface Snapshot extends SnapshotRecord {
  readonly id: SnapshotId;
}

/** Which snapshots count. Every field that is set must fit. */
export interface SnapshotFilter {
  readonly hosts?: readonly string[] | undefined;
  /** A snapshot must carry all of them. */
  readonly tags?: readonly string[] | undefined;
  readonly labels?: readonly string[] | undefined;
  /** A snapshot must have each of them among its paths. */
  readonly paths?: readonly Buffer[] | undefined;
}

export const SHORT_ID_LENGTH = 8;

export function matchesFilter(snapshot: SnapshotRecord, filter: SnapshotFilter): boolean {
  if (filter.hosts !== undefined && filter.hosts.length > 0 && !filter.hosts.includes(snapshot.host)) return false;
  if (filter.labels !== undefined && filter.labels.length > 0 && !filter.labels.includes(snapshot.label)) return false;
  if (filter.tags?.some((tag) => !snapshot.tags.includes(tag)) === true) return false;
  return filter.paths?.some((path) => !snapshot.paths.some((own) => own.equals(path))) !== true;
}

export class SnapshotStore {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async save(record: SnapshotRecord): Promise<Snapshot> {
    const { id } = await saveRecord(this.#store, 'snapshot', encodeSnapshot(record));
    return { ...record, id: id as SnapshotId };
  }

  async load(id: SnapshotId): Promise<Snapshot> {
    return { ...decodeSnapshot(await loadRecord(this.#store, 'snapshot', id), `snapshot ${id}`), id };
  }

  /** All ids, in no order. */
  async ids(): Promise<SnapshotId[]> {
    const ids: SnapshotId[] = [];
    for await (const file of this.#store.backend.list('snapshot')) {
      const id = parseSnapshotId(file.name);
      if (id !== undefined) ids.push(id);
    }
    return ids;
  }

  /**
   * All snapshots that fit, oldest first. One that cannot be read is told to `onDamage` and left out; without
   * `onDamage` its error is thrown.
   */
  async list(
    filter: SnapshotFilter = {},
    onDamage?: (id: SnapshotId, error: EngineError) => void,
  ): Promise<Snapshot[]> {
    const snapshots: Snapshot[] = [];
    for (const id of await this.ids()) {
      try {
        const snapshot = await this.load(id);
        if (matchesFilter(snapshot, filter)) snapshots.push(snapshot);
      } catch (error) {
        if (!(error instanceof EngineError) || error.code === 'STORAGE_FAILED' || onDamage === undefined) throw error;
        if (error.code !== 'OBJECT_MISSING') onDamage(id, error);
      }
    }
    return snapshots.sort(compareSnapshots);
  }

  /** One snapshot by `latest`, `latest~N`, its id, or a unique prefix of it. */
  async find(name: string, filter: SnapshotFilter = {}): Promise<Snapshot> {
    const back = /^latest(?:~(\d{1,6}))?$/.exec(name);
    if (back !== null) return this.#latest(name, Number(back[1] ?? 0), filter);
    const wanted = name.toLowerCase();
    if (!/^[0-9a-f]{1,64}$/.test(wanted)) {
      throw new EngineError(
        'INVALID_ARGUMENT',
        `"${name}" names no snapshot: give an id or its first digits, latest, or latest~N`,
      );
    }
    const fitting = (await this.ids()).filter((id) => id.startsWith(wanted));
    const [only] = fitting;
    if (only === undefined) {
      throw new EngineError('SNAPSHOT_NOT_FOUND', `No snapshot has an id that begins with ${wanted}`);
    }
    if (fitting.length > 1) {
      const some = fitting.slice(0, 5).map((id) => id.slice(0, wanted.length + 4));
      throw new EngineError(
        'SNAPSHOT_AMBIGUOUS',
        `${wanted} fits ${fitting.length} snapshots (${some.join(', ')}): give more digits`,
      );
    }
    return this.load(only);
  }

  async #latest(name: string, back: number, filter: SnapshotFilter): Promise<Snapshot> {
    const snapshots = await this.list(filter, () => undefined);
    const snapshot = snapshots.at(-1 - back);
    if (snapshot !== undefined) return snapshot;
    const count = snapshots.length === 1 ? 'there is 1 snapshot' : `there are ${snapshots.length} snapshots`;
    throw new EngineError('SNAPSHOT_NOT_FOUND', `${name} does not exist: ${count} that fit`);
  }
}

/** Oldest first; by start, then by id, so that the order is the same everywhere. */
export function compareSnapshots(a: Snapshot, b: Snapshot): number {
  if (a.startedNs !== b.startedNs) return a.startedNs < b.startedNs ? -1 : 1;
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}
