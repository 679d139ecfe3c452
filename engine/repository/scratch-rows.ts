/**
 * Rows of a tree that comes in no order, kept in a LevelDB of the run and given back in the order of trees. Memory does not
 * grow with their number.
 *
 * A key is the path with its slashes as zero bytes: so all below a directory follows it, and names are ordered by their
 * bytes. Rows are overwritten only while nothing iterates (trap 32).
 */

import { rm } from 'node:fs/promises';
import type { Level } from 'level';
import { MIB, SCRATCH_ROWS_PENDING_MAX } from '../base/limits.ts';

const OPTIONS = {
  keyEncoding: 'buffer',
  valueEncoding: 'buffer',
  cacheSize: 4 * MIB,
  writeBufferSize: 8 * MIB,
} as const;

export class ScratchRows {
  readonly #location: string;
  readonly #level: Level<Buffer, Buffer>;
  #pending = new Map<string, { readonly key: Buffer; readonly row: Buffer }>();

  private constructor(location: string, level: Level<Buffer, Buffer>) {
    this.#location = location;
    this.#level = level;
  }

  static async open(location: string): Promise<ScratchRows> {
    const { Level } = await import('level');
    const level = new Level<Buffer, Buffer>(location, OPTIONS);
    await level.open();
    return new ScratchRows(location, level);
  }

  get(key: Buffer): Buffer | undefined {
    return this.#pending.get(key.toString('latin1'))?.row ?? this.#level.getSync(key);
  }

  async put(key: Buffer, row: Buffer): Promise<void> {
    this.#pending.set(key.toString('latin1'), { key, row });
    if (this.#pending.size >= SCRATCH_ROWS_PENDING_MAX) await this.#drain();
  }

  async #drain(): Promise<void> {
    const batch = [...this.#pending.values()].map(({ key, row }) => ({ type: 'put' as const, key, value: row }));
    await this.#level.batch(batch);
    this.#pending = new Map();
  }

  /** All rows in the order of trees. Nothing is put while this runs. */
  async *all(): AsyncGenerator<readonly [key: Buffer, row: Buffer]> {
    await this.#drain();
    yield* this.#level.iterator();
  }

  async close(): Promise<void> {
    await this.#level.close().catch(() => undefined);
    await rm(this.#location, { recursive: true, force: true }).catch(() => undefined);
  }
}
