/** The mark record: packs that prune means to remove, and the runs that may still refer to them. As canonical JSON. */

import { type PackId, parsePackId } from '../base/ids.ts';
import { decodeCanonicalJson, encodeCanonicalJson, JsonFields } from './canonical-json.ts';

const RECORD_VERSION = 1;

export interface MarkRecord {
  /** By the clock of whoever marked, in milliseconds since 1970: for people. What counts is the store's own time. */
  readonly timeMs: number;
  readonly host: string;
  readonly packs: readonly PackId[];
  /**
   * Runs that were alive once the packs were marked: while one of them lives, the packs stay. Undefined in a mark whose
   * writer has not looked yet: any run that lives may be one of them.
   */
  readonly runs: readonly string[] | undefined;
}

export function encodeMark(mark: MarkRecord): Buffer {
  const { timeMs, host, packs, runs } = mark;
  return encodeCanonicalJson({ version: RECORD_VERSION, time: timeMs, host, packs, runs: runs ?? null });
}

export function decodeMark(bytes: Buffer, what: string): MarkRecord {
  const fields = new JsonFields(decodeCanonicalJson(bytes, what), what);
  if (fields.number('version') !== RECORD_VERSION) fields.fail('version', String(RECORD_VERSION));
  return {
    timeMs: fields.number('time'),
    host: fields.text('host'),
    packs: fields.texts('packs').map((text) => parsePackId(text) ?? fields.fail('packs', 'a list of pack ids')),
    runs: fields.get('runs') === null ? undefined : fields.texts('runs'),
  };
}
