/** What is there and what is needed: the mark phase of a prune, how much of each pack is used, and the emptying of packs. */

import { EngineError } from '../base/errors.ts';
import { type BlobId, type PackId, parsePackId } from '../base/ids.ts';
import type { Monitor } from '../base/monitor.ts';
import type { BlobKind } from '../format/pack-header.ts';
import { isDamage } from './batch-reader.ts';
import type { IndexView } from './chunk-index.ts';
import { LiveBlobs } from './live-blobs.ts';
import { loadPackHeader } from './pack-headers.ts';
import { PackMover } from './pack-mover.ts';
import { countUsage, type PackUsages } from './pack-usage.ts';
import { markSnapshot } from './reachable.ts';
import type { Repository } from './repository.ts';
import type { Snapshot } from './snapshots.ts';

export interface SurveyOptions {
  readonly isMarked: (packId: PackId) => boolean;
  readonly monitor: Monitor | undefined;
  readonly signal: AbortSignal | undefined;
}

/** A pack that lies there: by its number in the index, unless no segment names it. */
export interface SurveyedPack {
  readonly packId: PackId;
  readonly bytes: number;
  readonly number: number | undefined;
}

/** How much of a pack is used: what a planner decides by. */
export interface PackUsage {
  readonly kind: BlobKind;
  /** Length of the file. */
  readonly bytes: number;
  /** Plaintext of its blobs, and of those that are reachable and kept in this very pack. */
  readonly plainBytes: number;
  readonly liveBytes: number;
  readonly liveBlobs: number;
  /** Copies of reachable blobs that are kept in other packs. */
  readonly duplicateBlobs: number;
}

export class Survey {
  readonly #repository: Repository;
  readonly #options: SurveyOptions;
  readonly #view: IndexView;
  readonly #usable: Uint8Array;
  readonly live: LiveBlobs;
  readonly #walked = new Set<string>();
  #usages: PackUsages | undefined;
  /** Numbers of the packs that lie there and are named. */
  readonly #named: Uint32Array;
  readonly #unnamed: SurveyedPack[];

  private constructor(repository: Repository, options: SurveyOptions, unnamed: readonly SurveyedPack[]) {
    this.#repository = repository;
    this.#options = options;
    this.#view = repository.index.view();
    const { packs, dead } = this.#view;
    this.#usable = new Uint8Array(packs.count);
    for (let pack = 0; pack < packs.count; pack++) this.#usable[pack] = dead.has(pack) || packs.isErased(pack) ? 0 : 1;
    this.#named = Uint32Array.from(numbersOf(this.#usable));
    this.#unnamed = unnamed.filter(({ number }) => number === undefined || !this.#isUsable(number));
    this.live = new LiveBlobs(this.#view, {
      isUsable: (pack) => this.#isUsable(pack),
      onDamage: () => repository.index.failCold(),
    });
  }

  /** Reads the whole index. OBJECT_CORRUPT for one segment that cannot be read. */
  static async make(repository: Repository, options: SurveyOptions): Promise<Survey> {
    await repository.index.refresh({ onlyExisting: true, readsAll: true });
    const damaged = repository.index.damage.find(({ object }) => object.startsWith('index/'));
    if (damaged !== undefined) throw refusal(damaged.object, damaged.error);
    const unnamed: SurveyedPack[] = [];
    const { packs } = repository.index.view();
    for await (const file of repository.backend.list('pack')) {
      const packId = parsePackId(file.name);
      if (packId === undefined || repository.index.hasPack(packId)) continue;
      unnamed.push({ packId, bytes: file.bytes, number: packs.numberOf(packId) });
    }
    return new Survey(repository, options, unnamed);
  }

  /** What counts is what was there at the beginning, and what others added since. */
  #isUsable(pack: number): boolean {
    return pack < this.#usable.length ? this.#usable[pack] === 1 : !this.#view.dead.has(pack);
  }

  /** Walks the snapshots that were not walked yet. OBJECT_MISSING, OBJECT_CORRUPT naming one that is not whole. */
  async mark(snapshots: readonly Snapshot[]): Promise<void> {
    let trees = 0;
    const { monitor, signal } = this.#options;
    for (const snapshot of snapshots) {
      if (this.#walked.has(snapshot.id)) continue;
      const onTree = (): void => {
        trees++;
        monitor?.progress?.({
          filesDone: trees,
          filesTotal: undefined,
          bytesDone: 0,
          bytesTotal: undefined,
          bytesNew: 0,
          problems: 0,
          currentPath: `snapshot ${snapshot.id.slice(0, 8)}`,
        });
      };
      try {
        await markSnapshot(this.#repository.blobs, this.live, snapshot, { signal, onTree });
      } catch (error) {
        if (!isDamage(error)) throw error;
        throw refusal(`what snapshot ${snapshot.id.slice(0, 8)} refers to`, error);
      }
      this.#walked.add(snapshot.id);
    }
    const missing = this.live.settle();
    if (missing !== undefined) throw missingBlob(missing);
  }

  /** Numbers of packs in which blobs lie that are needed now and were not before. */
  async revive(snapshots: readonly Snapshot[]): Promise<ReadonlySet<number>> {
    const revived = new Set<number>();
    if (snapshots.every(({ id }) => this.#walked.has(id))) return revived;
    await this.#repository.index.refresh();
    this.live.watchFresh((pack) => void revived.add(pack));
    await this.mark(snapshots);
    return revived;
  }

  /** Counts what was marked; of blobs that lie in several places one copy counts. */
  count(): void {
    const { packs } = this.#view;
    this.#usages = countUsage(this.#view, this.live, {
      isUsable: (pack) => this.#isUsable(pack),
      isMarked: (pack) => {
        const facts = packs.get(pack);
        return facts !== undefined && this.#options.isMarked(facts.packId);
      },
      onDamage: () => this.#repository.index.failCold(),
    });
  }

  /** The pack at a position of usages(). */
  packAt(position: number): SurveyedPack {
    const number = this.#named[position];
    const unnamed = this.#unnamed[position - this.#named.length];
    if (number === undefined) {
      if (unnamed === undefined) throw new EngineError('INTERNAL', `There is no pack at position ${position}`);
      return unnamed;
    }
    const facts = this.#view.packs.get(number);
    if (facts === undefined) throw new EngineError('INTERNAL', `There is no pack with number ${number}`);
    return { packId: facts.packId, bytes: facts.packLength, number };
  }

  /** Every pack that lies there: what the planner decides about. Without those that nobody names where `named`. */
  *usages(named: boolean): Generator<PackUsage> {
    const usages = this.#usages;
    for (const number of this.#named) {
      const facts = this.#view.packs.get(number);
      if (facts === undefined || usages === undefined) throw new EngineError('INTERNAL', 'Packs were not counted');
      yield {
        kind: facts.kind,
        bytes: facts.packLength,
        plainBytes: usages.plainBytes[number] ?? 0,
        liveBytes: usages.liveBytes[number] ?? 0,
        liveBlobs: usages.liveBlobs[number] ?? 0,
        duplicateBlobs: usages.duplicateBlobs[number] ?? 0,
      };
    }
    if (named) return;
    for (const { bytes } of this.#unnamed) {
      yield { kind: 'data', bytes, plainBytes: 0, liveBytes: 0, liveBlobs: 0, duplicateBlobs: 0 };
    }
  }

  /** Copies what is needed of packs to new ones, and names those. Returns the bytes that were written. */
  async move(packs: readonly SurveyedPack[], onPack: (pack: SurveyedPack, done: number) => void): Promise<number> {
    const named: (SurveyedPack & { readonly number: number })[] = [];
    for (const { number, ...pack } of packs) if (number !== undefined) named.push({ ...pack, number });
    const bytes = named.reduce((sum, pack) => sum + pack.bytes, 0);
    const mover = new PackMover(this.#repository, this.live, { bytes, signal: this.#options.signal });
    try {
      await mover.move(named, (at) => {
        const pack = named[at];
        if (pack !== undefined) onPack(pack, at);
      });
      await mover.finish();
    } finally {
      await mover.close();
    }
    return mover.bytesWritten;
  }

  /** Names a pack that no segment names any more, by its own header. */
  async nameAgain(pack: SurveyedPack): Promise<void> {
    const header = await loadPackHeader(this.#repository, pack.packId);
    await this.#repository.index.save([{ ...header, blobs: header.table.blobCount }]);
  }

  /** Numbers of packs that segments name, but that are not there, or not whole. */
  absent(): ReadonlySet<number> {
    const absent = new Set<number>();
    for (const [, packs] of this.#repository.index.segments()) {
      for (const pack of packs) if (!this.#isUsable(pack)) absent.add(pack);
    }
    return absent;
  }
}

function* numbersOf(usable: Uint8Array): Generator<number> {
  for (let pack = 0; pack < usable.length; pack++) if (usable[pack] === 1) yield pack;
}

function missingBlob(id: BlobId): EngineError {
  const error = new EngineError('OBJECT_MISSING', `Blob ${id.toString('hex')} is in no pack of the repository`);
  return refusal('what some snapshot refers to', error);
}

/** Says what to do about damage that prune will not work around: what cannot be read may need anything. */
export function refusal(object: string, error: EngineError): EngineError {
  return new EngineError(
    error.code,
    `Nothing was pruned, because ${object} cannot be read, and what it needs cannot be told (${error.message}). "snap check" names all damage; mend or remove what is damaged first`,
    error,
  );
}
