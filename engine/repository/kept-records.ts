/**
 * Decoded records of small sealed files. Such a file never changes, so whoever asks again and again need only ask the
 * store for names: what is new is read, what is gone is let go. Without room for any, each time reads all.
 */

import { decodeRecords, type RecordKind, type Store } from './sealed-files.ts';

interface Kept<Decoded> {
  readonly decoded: Decoded;
  /** Of the record, decompressed: its size in memory is a few times that. */
  readonly bytes: number;
}

export interface KeptOptions<Decoded> {
  readonly kind: RecordKind;
  /** Bytes of records that are kept at most; zero keeps none. */
  readonly bytesMax: number;
  /** What is made of a record; throws OBJECT_CORRUPT. */
  readonly decode: (name: string, record: Buffer) => Decoded;
}

export class KeptRecords<Decoded> {
  readonly #store: Store;
  readonly #options: KeptOptions<Decoded>;
  readonly #kept = new Map<string, Kept<Decoded>>();
  #bytes = 0;

  constructor(store: Store, options: KeptOptions<Decoded>) {
    this.#store = store;
    this.#options = options;
  }

  /** True where these names are those of all that is kept, in any order: nothing came or went. */
  areAllOf(names: readonly string[]): boolean {
    return names.length === this.#kept.size && names.every((name) => this.#kept.has(name));
  }

  /**
   * The records of all `names`, which are all that there are; those that are kept under other names are let go. What cannot
   * be had is told to `onFailure`, which throws, or lets it be left out.
   */
  async loadAll(
    names: readonly string[],
    onFailure: (name: string, error: unknown) => void,
  ): Promise<(readonly [name: string, decoded: Decoded])[]> {
    this.#letGo(names);
    const fresh = names.filter((name) => !this.#kept.has(name));
    const loaded = new Map<string, Decoded>();
    await decodeRecords(this.#store, this.#options.kind, fresh, (name, open) => {
      try {
        const record = open();
        const decoded = this.#options.decode(name, record);
        loaded.set(name, decoded);
        this.#keep(name, { decoded, bytes: record.length });
      } catch (error) {
        onFailure(name, error);
      }
    });
    const found: (readonly [string, Decoded])[] = [];
    for (const name of names) {
      const decoded = loaded.get(name) ?? this.#kept.get(name)?.decoded;
      if (decoded !== undefined) found.push([name, decoded]);
    }
    return found;
  }

  find(name: string): Decoded | undefined {
    return this.#kept.get(name)?.decoded;
  }

  #keep(name: string, one: Kept<Decoded>): void {
    if (this.#bytes + one.bytes > this.#options.bytesMax || this.#kept.has(name)) return;
    this.#bytes += one.bytes;
    this.#kept.set(name, one);
  }

  #letGo(names: readonly string[]): void {
    if (this.#kept.size === 0) return;
    const there = new Set(names);
    for (const [name, { bytes }] of this.#kept) {
      if (there.has(name)) continue;
      this.#bytes -= bytes;
      this.#kept.delete(name);
    }
  }
}
