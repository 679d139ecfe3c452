/** Facts that were added to snapshots later. Files never change, so an edit is a new file, and the newest wins. */

import { hostname } from 'node:os';
import { type EngineError, isEngineError } from '../base/errors.ts';
import { isHex, type SnapshotId } from '../base/ids.ts';
import { ANNOTATIONS_KEPT_BYTES_MAX } from '../base/limits.ts';
import {
  type AnnotationKind,
  type AnnotationRecord,
  decodeAnnotation,
  encodeAnnotation,
} from '../format/annotation.ts';
import type { Json } from '../format/canonical-json.ts';
import { collectNames } from '../storage/backend.ts';
import { isDamagedThere } from './batch-reader.ts';
import { KeptRecords } from './kept-records.ts';
import { type Store, saveRecord } from './sealed-files.ts';

interface StoredAnnotation extends AnnotationRecord {
  readonly id: string;
}

/** What holds for one snapshot besides its record. */
export interface SnapshotFacts {
  readonly tags: readonly string[] | undefined;
  readonly label: string | undefined;
  readonly pinned: boolean;
  readonly trusted: boolean;
  readonly forgotten: boolean;
}

export interface AnnotationDamage {
  readonly object: string;
  readonly error: EngineError;
}

/** All annotations of a repository as they were when they were loaded. */
export class Annotations {
  readonly #newest: ReadonlyMap<string, StoredAnnotation>;
  /** Ids of files that a newer one of the same kind and subject replaces. */
  readonly superseded: readonly string[];
  readonly damage: readonly AnnotationDamage[];

  private constructor(all: readonly StoredAnnotation[], damage: readonly AnnotationDamage[]) {
    const newest = new Map<string, StoredAnnotation>();
    const superseded: string[] = [];
    for (const annotation of all) {
      const key = keyOf(annotation.kind, annotation.snapshot);
      const other = newest.get(key);
      const wins = other === undefined || isNewer(annotation, other);
      if (wins) newest.set(key, annotation);
      if (other !== undefined) superseded.push(wins ? other.id : annotation.id);
    }
    this.#newest = newest;
    this.superseded = superseded;
    this.damage = damage;
  }

  static load(store: Store): Promise<Annotations> {
    return new AnnotationCatalog(store, false).load();
  }

  /** Of all that there are; `damage` is what cannot be read. */
  static of(all: readonly StoredAnnotation[], damage: readonly AnnotationDamage[]): Annotations {
    return new Annotations(all, damage);
  }

  factsOf(snapshot: SnapshotId): SnapshotFacts {
    const value = (kind: AnnotationKind): Json | undefined => this.#newest.get(keyOf(kind, snapshot))?.value;
    const tags = value('tags');
    const label = value('label');
    return {
      tags: Array.isArray(tags) ? tags.filter((tag) => typeof tag === 'string') : undefined,
      label: typeof label === 'string' ? label : undefined,
      pinned: value('pinned') === true,
      trusted: value('trusted') === true,
      // Who pins while another one forgets has the last word.
      forgotten: value('forgotten') === true && value('pinned') !== true,
    };
  }

  /** When the newest of a kind was made, in milliseconds since 1970. */
  timeOf(kind: AnnotationKind, snapshot: SnapshotId | undefined): number | undefined {
    return this.#newest.get(keyOf(kind, snapshot))?.atMs;
  }

  /** A fact of the whole repository. */
  valueOf(kind: AnnotationKind): Json | undefined {
    return this.#newest.get(keyOf(kind, undefined))?.value;
  }

  /** Files about a snapshot, the newest of each kind: they may go once it is gone itself. */
  filesAbout(snapshot: SnapshotId): string[] {
    return [...this.#newest.values()].filter((found) => found.snapshot === snapshot).map(({ id }) => id);
  }

  /** Every snapshot that some file is about, whether or not it is there. */
  subjects(): ReadonlySet<SnapshotId> {
    const all = [...this.#newest.values()].map(({ snapshot }) => snapshot);
    return new Set(all.filter((snapshot) => snapshot !== undefined));
  }

  /** Adds a fact that is newer than all that were loaded, whatever the clock says. Durable when it returns. */
  async add(
    store: Store,
    fact: { kind: AnnotationKind; snapshot: SnapshotId | undefined; value: Json },
  ): Promise<void> {
    const before = this.#newest.get(keyOf(fact.kind, fact.snapshot))?.atMs ?? 0;
    const atMs = Math.max(Date.now(), before + 1);
    await saveRecord(store, 'annotation', encodeAnnotation({ ...fact, atMs, host: hostname() }));
  }
}

/** Reads the annotations of a repository, those that it keeps once each. */
export class AnnotationCatalog {
  readonly #store: Store;
  readonly #records: KeptRecords<StoredAnnotation>;
  #last: Annotations | undefined;

  constructor(store: Store, keeps: boolean) {
    this.#store = store;
    this.#records = new KeptRecords(store, {
      kind: 'annotation',
      bytesMax: keeps ? ANNOTATIONS_KEPT_BYTES_MAX : 0,
      decode: (id, record) => ({ ...decodeAnnotation(record, `annotation ${id}`), id }),
    });
  }

  /** The very same object while nothing changed. STORAGE_FAILED. */
  async load(): Promise<Annotations> {
    const names = await collectNames(this.#store.backend, 'annotation');
    if (this.#last !== undefined && this.#records.areAllOf(names)) return this.#last;
    const damage: AnnotationDamage[] = [];
    const all = await this.#records.loadAll(
      names.filter((name) => isHex(name, 32)),
      (name, error) => {
        if (isEngineError(error, 'OBJECT_MISSING')) return;
        if (!isDamagedThere(error)) throw error;
        damage.push({ object: `annotations/${name}`, error });
      },
    );
    const annotations = Annotations.of(
      all.map(([, annotation]) => annotation),
      damage,
    );
    this.#last = this.#records.areAllOf(names) ? annotations : undefined;
    return annotations;
  }
}

function keyOf(kind: string, snapshot: SnapshotId | undefined): string {
  return `${snapshot ?? ''} ${kind}`;
}

/** Of two of the same millisecond every reader takes the same one. */
function isNewer(a: StoredAnnotation, b: StoredAnnotation): boolean {
  return a.atMs !== b.atMs ? a.atMs > b.atMs : a.id > b.id;
}
