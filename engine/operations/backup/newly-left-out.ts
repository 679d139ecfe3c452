/**
 * What a run's profiles leave out that they did not leave out before: a database that could be read again, say, with the
 * server's own backups. That is no loss of the sources.
 */

import { PatternSet } from '../../filesystem/patterns.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import type { RunOptions } from './options.ts';

export interface NewlyLeftOut {
  readonly patterns: PatternSet;
  /** Folders in which something may fit. */
  readonly folders: readonly Buffer[];
}

/** Undefined where there is nothing of the kind. */
export function newlyLeftOut({ rules }: Pick<Snapshot, 'rules'>, { applied }: RunOptions): NewlyLeftOut | undefined {
  const before = new Set(Array.isArray(rules['excludes']) ? rules['excludes'] : []);
  const now = applied.flatMap(({ excludes }) => excludes);
  const added = now.filter((pattern) => !pattern.startsWith('!') && !before.has(pattern));
  if (added.length === 0) return undefined;
  const folders = new Map(added.map((pattern) => [folderOf(pattern), bytesOf(folderOf(pattern))]));
  return { patterns: new PatternSet(now), folders: [...folders.values()] };
}

/** Of a pattern that a profile made: only its last name has more than quoted letters. */
function folderOf(pattern: string): string {
  return pattern.slice(0, Math.max(1, pattern.lastIndexOf('/', pattern.length - 2))).replace(/\\(.)/gs, '$1');
}

/** The opposite of pathText (filesystem/patterns.ts). */
function bytesOf(text: string): Buffer {
  const letters = text.match(/[\ud800-\udbff][\udc00-\udfff]|[\s\S]/g) ?? [];
  return Buffer.concat(
    letters.map((letter) => {
      const isByte = letter.length === 1 && /[\udc80-\udcff]/.test(letter);
      return isByte ? Buffer.from([letter.charCodeAt(0) - 0xdc00]) : Buffer.from(letter, 'utf8');
    }),
  );
}
