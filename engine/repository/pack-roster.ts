/** The packs that the chunk index knows by number, and which of them live: named by a segment that lies there, and present. */

import { EngineError } from '../base/errors.ts';
import { type IndexSegmentId, type PackId, parsePackId } from '../base/ids.ts';
import { PACKS_MAX } from '../base/limits.ts';
import type { Backend } from '../storage/backend.ts';
import type { SegmentPacks } from './cold-index.ts';
import { DeadPacks } from './known-blobs.ts';
import { type PackFacts, PackList } from './pack-list.ts';

export interface IndexDamage {
  readonly object: string;
  readonly error: EngineError;
}

export interface MissingPack extends IndexDamage {
  readonly number: number;
}

export class PackRoster {
  readonly list = new PackList();
  readonly dead = new DeadPacks(PACKS_MAX);
  /** Packs that live although no segment need name them: this process's own, and those that were read themselves. */
  readonly #own = new Set<number>();
  /** Packs that segments name and the store has not. */
  readonly #absent = new Set<number>();

  /** Every pack that segments name, or that is this process's own, whether or not the store has it. */
  *named(): Generator<PackFacts> {
    for (let number = 0; number < this.list.count; number++) {
      if (this.dead.has(number) && !this.#absent.has(number)) continue;
      const pack = this.list.get(number);
      if (pack !== undefined) yield pack;
    }
  }

  /** What is dead, and `others` besides, which stay alive for whoever reads. */
  deadAnd(others: Iterable<PackId>): DeadPacks {
    let dead: DeadPacks | undefined;
    for (const packId of others) {
      const number = this.list.numberOf(packId);
      if (number === undefined) continue;
      dead ??= this.dead.copy();
      dead.set(number, true);
    }
    return dead ?? this.dead;
  }

  isAlive(packId: PackId): boolean {
    const number = this.list.numberOf(packId);
    return number !== undefined && !this.dead.has(number);
  }

  /** Lets a pack live without a segment. */
  own(number: number): void {
    this.#own.add(number);
    this.dead.set(number, this.#absent.has(number));
  }

  /** One byte a pack: 1 where a listed segment names it, or it is this process's own. */
  marks(segmentsOf: readonly SegmentPacks[], listed: ReadonlySet<IndexSegmentId>): Uint8Array {
    const marks = new Uint8Array(this.list.count);
    for (const segments of segmentsOf) {
      for (const [id, packs] of segments) if (listed.has(id)) for (const pack of packs) marks[pack] = 1;
    }
    for (const pack of this.#own) marks[pack] = 1;
    return marks;
  }

  /** Every pack without a mark is dead. */
  bury(marks: Uint8Array): void {
    marks.forEach((mark, pack) => {
      this.dead.set(pack, mark === 0 || this.#absent.has(pack));
    });
  }

  /** Packs that live, but not in the store, are dead too; returns those that were not known to be missing. */
  async buryMissing(backend: Backend): Promise<MissingPack[]> {
    const { list } = this;
    const present = new Uint8Array(list.count);
    for await (const file of backend.list('pack')) {
      const packId = parsePackId(file.name);
      const number = packId === undefined ? undefined : list.numberOf(packId);
      if (number !== undefined && list.get(number)?.packLength === file.bytes) present[number] = 1;
    }
    const missing: MissingPack[] = [];
    for (let number = 0; number < present.length; number++) {
      if (present[number] === 1) {
        if (this.#absent.delete(number)) this.dead.set(number, false);
        continue;
      }
      const pack = this.dead.has(number) ? undefined : list.get(number);
      if (pack === undefined) continue;
      // A pack that came after the listing is asked for by itself.
      const bytes = await backend.size('pack', pack.packId);
      if (bytes === pack.packLength) continue;
      this.#absent.add(number);
      this.dead.set(number, true);
      const why = bytes === undefined ? 'there is no such file' : `it has ${bytes} bytes instead of ${pack.packLength}`;
      const error = new EngineError('OBJECT_MISSING', `Pack ${pack.packId} is in the index, but ${why}`);
      missing.push({ number, object: `packs/${pack.packId}`, error });
    }
    return missing;
  }
}
