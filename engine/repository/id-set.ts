/** A set of ids that grows in tables of shared memory instead of JavaScript objects: 16 bytes a slot. */

import type { BlobId } from '../base/ids.ts';
import { ID_SET_SLOTS_MAX } from '../base/limits.ts';
import { IdTable } from './id-table.ts';

const SLOTS_FIRST_LOG2 = 14;

export class IdSet {
  readonly #tables: IdTable[] = [new IdTable(1 << SLOTS_FIRST_LOG2)];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  has(id: BlobId): boolean {
    return this.#tables.some((table) => table.has(id));
  }

  /** True where the id was not in it. */
  add(id: BlobId): boolean {
    if (this.has(id)) return false;
    let last = this.#tables.at(-1);
    if (last === undefined || last.full) {
      last = new IdTable(Math.min(1 << (SLOTS_FIRST_LOG2 + 2 * this.#tables.length), ID_SET_SLOTS_MAX));
      this.#tables.push(last);
    }
    this.#count++;
    return last.add(id);
  }
}
