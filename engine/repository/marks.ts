/**
 * Marks: packs that prune means to remove. A run that begins once a mark is there does not refer to those packs; what
 * runs that began before may refer to stays as long as one of them lives.
 */

import { hostname } from 'node:os';
import { EngineError, isEngineError } from '../base/errors.ts';
import { isHex, type PackId } from '../base/ids.ts';
import { MARK_PACKS_MAX } from '../base/limits.ts';
import { decodeMark, encodeMark, type MarkRecord } from '../format/mark.ts';
import { isDamagedThere } from './batch-reader.ts';
import { loadRecord, type Store, saveRecord } from './sealed-files.ts';

export interface Mark extends MarkRecord {
  readonly id: string;
  /** When the store says that it was written, in milliseconds since 1970. */
  readonly modifiedMs: number;
}

/** All marks. One that cannot be read is an error: it may name packs that are about to go. */
export async function listMarks(store: Store): Promise<Mark[]> {
  const marks: Mark[] = [];
  for await (const { name, modifiedMs } of store.backend.list('mark')) {
    if (!isHex(name, 32)) continue;
    try {
      marks.push({ ...decodeMark(await loadRecord(store, 'mark', name), `mark ${name}`), id: name, modifiedMs });
    } catch (error) {
      if (isEngineError(error, 'OBJECT_MISSING')) continue;
      if (!isDamagedThere(error)) throw error;
      throw new EngineError(
        error.code,
        `${error.message}. While "snap prune" is not running, marks/${name} may be removed by hand: it holds no data`,
        error,
      );
    }
  }
  return marks;
}

/** Marks packs; durable when it returns. Returns the ids of the marks. */
export async function saveMarks(
  store: Store,
  packs: readonly PackId[],
  runs: readonly string[] | undefined,
  timeMs = Date.now(),
): Promise<string[]> {
  const ids: string[] = [];
  for (let first = 0; first < packs.length; first += MARK_PACKS_MAX) {
    const some = packs.slice(first, first + MARK_PACKS_MAX);
    const record = encodeMark({ timeMs, host: hostname(), packs: some, runs });
    ids.push((await saveRecord(store, 'mark', record)).id);
  }
  return ids;
}

export async function removeMarks(store: Store, ids: Iterable<string>): Promise<void> {
  for (const id of ids) await store.backend.remove('mark', id);
}

/** Every pack that a mark names. */
export async function markedPacks(store: Store): Promise<ReadonlySet<PackId>> {
  return new Set((await listMarks(store)).flatMap(({ packs }) => packs));
}
