/**
 * The last call of a program. Node waits at its end for threads of its compiler, and one of those may wait for the main
 * thread to collect garbage, which it never does again (nodejs/node#54918; seen in 4 of 100 ends after a gigabyte was read):
 * the program stands still for ever. The system's own call waits for nobody.
 */

import { createRequire } from 'node:module';

interface Koffi {
  load(name: string | null): { func(declaration: string): (code: number) => void };
}

/**
 * For programs that are done, as their very last step: what was written has to be flushed, and what is open to be closed.
 * Comes back only where the system has no such call.
 */
export function makeLastCall(code: number): void {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as Koffi;
    koffi.load(null).func('void _exit(int)')(code);
  } catch {
    // A platform without it: Node's own way has to do.
  }
}
