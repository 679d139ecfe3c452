/** What keeps a snapshot from counting as a good one. */

import type { Snapshot } from './snapshots.ts';

export type SnapshotFlaw = 'suspect' | 'partial' | 'database';

export function flawsOf(snapshot: Snapshot): SnapshotFlaw[] {
  const flaws: SnapshotFlaw[] = [];
  if (snapshot.suspect) flaws.push('suspect');
  if (snapshot.problemCount > 0) flaws.push('partial');
  if (snapshot.databases.some(({ check }) => !CHECKS_PASSED.has(check))) flaws.push('database');
  return flaws;
}

/** The second: captured at one moment, by a SQLite that is too old to read its schema. */
const CHECKS_PASSED = new Set(['ok', 'partly-checked', 'schema-unparsable']);
