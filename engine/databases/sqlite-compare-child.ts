/** The child process that compares two images of a database, so that a long query can be ended. */

import type { CompareReply, CompareRequest } from './sqlite-compare.ts';
import { compareTables } from './sqlite-compare-tables.ts';

process.on('message', (request: CompareRequest) => {
  const found: CompareReply['found'][number][] = [];
  try {
    compareTables(request.before, request.after, { rowsMax: request.rowsMax, tell: (one) => found.push(one) });
    process.send?.({ found, message: undefined } satisfies CompareReply);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    process.send?.({ found, message } satisfies CompareReply);
  }
});
// Without its parent it has nothing to do; a Ctrl-C that reaches both is the parent's to handle.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
