/**
 * The snapshots of a repository with the facts that were added to them. Where they are kept, each record is read once, and a
 * listing costs two listings of names, however many there are; what other processes save, forget, tag or prune shows in
 * the next one, since all of that makes files come or go.
 */

import { EngineError } from '../base/errors.ts';
import { parseSnapshotId, type SnapshotId } from '../base/ids.ts';
import { SNAPSHOT_VALUES_SHARED_MAX, SNAPSHOTS_KEPT_BYTES_MAX } from '../base/limits.ts';
import { decodeSnapshot, type SnapshotRecord } from '../format/snapshot.ts';
import { collectNames } from '../storage/backend.ts';
import { AnnotationCatalog, type Annotations } from './annotations.ts';
import { KeptRecords } from './kept-records.ts';
import { loadRecord, type Store } from './sealed-files.ts';

/** A snapshot as it stands now: tags and label are those that were set last. */
export interface Snapshot extends SnapshotRecord {
  readonly id: SnapshotId;
  /** Retention never removes it. */
  readonly pinned: boolean;
  /** It has a suspicion that nobody dispelled. */
  readonly suspect: boolean;
  /** Not listed; its data go with the next prune. */
  readonly forgotten: boolean;
}

/** Told of a snapshot that cannot be read. */
export type OnDamage = (id: SnapshotId, error: EngineError) => void;

/** All snapshots, and those of them that are not forgotten. Oldest first. */
export interface ListedSnapshots {
  readonly all: readonly Snapshot[];
  readonly listed: readonly Snapshot[];
}

export class SnapshotCatalog {
  readonly #store: Store;
  readonly #records: KeptRecords<SnapshotRecord>;
  readonly #annotations: AnnotationCatalog;
  /** What was listed last, with which annotations; everything of it is kept. */
  #last: (ListedSnapshots & { readonly annotations: Annotations }) | undefined;

  /** `keeps`: records stay in memory, as far as there is room (SNAPSHOTS_KEPT_BYTES_MAX); the rest is read each time. */
  constructor(store: Store, keeps: boolean) {
    this.#store = store;
    const shared = new SharedValues();
    this.#records = new KeptRecords(store, {
      kind: 'snapshot',
      bytesMax: keeps ? SNAPSHOTS_KEPT_BYTES_MAX : 0,
      decode: (id, bytes) => {
        const record = decodeSnapshot(bytes, `snapshot ${id}`);
        return keeps ? shared.compact(record) : record;
      },
    });
    this.#annotations = new AnnotationCatalog(store, keeps);
  }

  annotations(): Promise<Annotations> {
    return this.#annotations.load();
  }

  /** All ids, in no order. */
  async ids(): Promise<SnapshotId[]> {
    const names = await collectNames(this.#store.backend, 'snapshot');
    return names.map(parseSnapshotId).filter((id) => id !== undefined);
  }

  /** One snapshot as these annotations have it. OBJECT_MISSING, OBJECT_CORRUPT. */
  async load(id: SnapshotId, annotations: Annotations): Promise<Snapshot> {
    const kept = this.#records.find(id);
    if (kept !== undefined) return withFacts(id, kept, annotations);
    const record = await loadRecord(this.#store, 'snapshot', id);
    return withFacts(id, decodeSnapshot(record, `snapshot ${id}`), annotations);
  }

  /**
   * All that are there. One that cannot be read is told to `onDamage` and left out; without `onDamage` its error is thrown.
   */
  async list(annotations: Annotations, onDamage: OnDamage | undefined): Promise<ListedSnapshots> {
    const names = await collectNames(this.#store.backend, 'snapshot');
    const last = this.#last;
    if (last !== undefined && last.annotations === annotations && this.#records.areAllOf(names)) return last;
    const ids = names.map(parseSnapshotId).filter((id) => id !== undefined);
    const found = await this.#records.loadAll(ids, (name, error) => {
      if (!(error instanceof EngineError) || error.code === 'STORAGE_FAILED' || onDamage === undefined) throw error;
      if (error.code !== 'OBJECT_MISSING') onDamage(name as SnapshotId, error);
    });
    const all = sortSnapshots(found.map(([name, record]) => withFacts(name as SnapshotId, record, annotations)));
    const snapshots = { all, listed: all.filter(({ forgotten }) => !forgotten) };
    this.#last = this.#records.areAllOf(names) ? { ...snapshots, annotations } : undefined;
    return snapshots;
  }
}

function withFacts(id: SnapshotId, record: SnapshotRecord, annotations: Annotations): Snapshot {
  const facts = annotations.factsOf(id);
  return {
    ...record,
    id,
    tags: facts.tags ?? record.tags,
    label: facts.label ?? record.label,
    pinned: facts.pinned,
    suspect: record.suspicion !== undefined && !facts.trusted,
    forgotten: facts.forgotten,
  };
}

/** Milliseconds since 1970. */
export function timeOf(snapshot: SnapshotRecord): number {
  return Date.parse(snapshot.time);
}

/** Oldest first; by time, then by start and id, so that the order is the same everywhere. */
export function sortSnapshots(snapshots: readonly Snapshot[]): Snapshot[] {
  // Times are parsed once each and not at every comparison.
  return snapshots
    .map((snapshot) => ({ snapshot, ms: timeOf(snapshot) }))
    .sort((a, b) => {
      if (a.ms !== b.ms) return a.ms - b.ms;
      const [one, other] = [a.snapshot, b.snapshot];
      if (one.startedNs !== other.startedNs) return one.startedNs < other.startedNs ? -1 : 1;
      return one.id < other.id ? -1 : one.id > other.id ? 1 : 0;
    })
    .map(({ snapshot }) => snapshot);
}

/** What most snapshots of a library have alike is in memory once. */
class SharedValues {
  readonly #known = new Map<string, unknown>();

  compact(record: SnapshotRecord): SnapshotRecord {
    const { paths, mounts, databases, leftOut } = record;
    return {
      ...record,
      tags: this.#share(record.tags),
      users: this.#share(record.users),
      groups: this.#share(record.groups),
      rules: this.#share(record.rules),
      paths: this.#share(paths.map(owned)),
      mounts: this.#share(mounts.map((mount) => ({ ...mount, path: owned(mount.path) }))),
      databases: databases.map((database) => ({ ...database, path: this.#share(owned(database.path)) })),
      tree: owned(record.tree),
      leftOut: { ...leftOut, content: leftOut.content.map(owned) },
    };
  }

  #share<Value>(value: Value): Value {
    const key = JSON.stringify(value);
    const known = this.#known.get(key) as Value | undefined;
    if (known !== undefined) return known;
    if (this.#known.size >= SNAPSHOT_VALUES_SHARED_MAX) this.#known.clear();
    this.#known.set(key, value);
    return value;
  }
}

/** In memory of its own: a few bytes else keep a whole block of Node's pool from being freed. */
function owned<Bytes extends Buffer>(bytes: Bytes): Bytes {
  const own = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(own);
  return own as unknown as Bytes;
}
