/** Compares two images of a SQLite database in a child process, which is gone afterwards. */

import { askChild } from './asked-child.ts';
import type { ComparedRow, ComparedTable } from './sqlite-compare-tables.ts';

export type { Cell, Cells, ComparedRow, ComparedTable } from './sqlite-compare-tables.ts';

export interface CompareRequest {
  readonly before: string;
  readonly after: string;
  /** Rows of each table that are told one by one. */
  readonly rowsMax: number;
}

export interface CompareReply {
  readonly found: readonly (ComparedTable | ComparedRow)[];
  /** Why no more was found. */
  readonly message: string | undefined;
}

/** Tables that differ, each before its rows. The images are private to the caller. INTERRUPTED after the signal. */
export async function compareSqliteImages(request: CompareRequest, signal?: AbortSignal): Promise<CompareReply> {
  const answer = await askChild<CompareReply>('./sqlite-compare-child.js', request, signal);
  if ('reply' in answer) return answer.reply;
  return { found: [], message: `the process that compares databases ended (${answer.ended})` };
}
