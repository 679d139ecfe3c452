/**
 * LevelDB maps its tables into memory, all of them, and cannot be told not to. What was read of them then counts as this
 * process's memory until the kernel wants it elsewhere: a third of a gigabyte for an index of 10^7 blobs. Here it is given
 * back; whoever reads it again gets it from the page cache, or from the disk.
 */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/**
 * Not MADV_DONTNEED: between the look at the mappings and the call another thread may have unmapped a table, and what lies
 * at its addresses then would lose its content. Pages that are only written out or dropped come back as they were.
 */
const MADV_PAGEOUT = 21;
/** Begin, end, and that it is shared. */
const TABLE = /^([0-9a-f]+)-([0-9a-f]+) r--s .*\.ldb(?: \(deleted\))?$/gm;

type Advise = (address: bigint, length: bigint, advice: number) => number;

interface Koffi {
  load(name: string | null): { func(declaration: string): unknown };
}

export class MappedTables {
  readonly #advise: Advise;

  private constructor(advise: Advise) {
    this.#advise = advise;
  }

  /** Undefined where the C library cannot be called, or mappings cannot be told. */
  static load(): MappedTables | undefined {
    if (process.platform !== 'linux') return undefined;
    try {
      const koffi = createRequire(import.meta.url)('koffi') as Koffi;
      return new MappedTables(koffi.load(null).func('int madvise(uintptr_t, size_t, int)') as Advise);
    } catch {
      return undefined;
    }
  }

  /** Gives back what is in memory of all mapped tables. Returns their length in bytes. Never throws. */
  release(): number {
    let bytes = 0n;
    try {
      for (const [, begin = '', end = ''] of readFileSync('/proc/self/maps', 'latin1').matchAll(TABLE)) {
        const [first, last] = [BigInt(`0x${begin}`), BigInt(`0x${end}`)];
        if (this.#advise(first, last - first, MADV_PAGEOUT) === 0) bytes += last - first;
      }
    } catch {
      // It stays where it is.
    }
    return Number(bytes);
  }
}
