/** How a program ends that was written for people and scripts. */

import { makeLastCall } from '../engine/index.ts';

/**
 * Ends this process at once, once listeners of 'exit' were told. Where Node runs with options of its own (a profiler, say)
 * it ends as it does, and writes what it has to write.
 */
export function endProcess(code: number): never {
  process.exitCode = code;
  const { NODE_OPTIONS: options, NODE_V8_COVERAGE: coverage } = process.env;
  if (process.execArgv.length === 0 && options === undefined && coverage === undefined) {
    process.emit('exit', code);
    makeLastCall(code);
  }
  process.exit(code);
}
