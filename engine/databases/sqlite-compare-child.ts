/** The child process that compares two images of a database, so that a long query can be ended. */

import { answerOnce } from './asked-child.ts';
import type { CompareReply, CompareRequest } from './sqlite-compare.ts';
import { compareTables } from './sqlite-compare-tables.ts';

answerOnce<CompareRequest, CompareReply>((request) => {
  const found: CompareReply['found'][number][] = [];
  try {
    compareTables(request.before, request.after, { rowsMax: request.rowsMax, tell: (one) => found.push(one) });
    return { found, message: undefined };
  } catch (error) {
    return { found, message: error instanceof Error ? error.message : String(error) };
  }
});
