/** How much memory a child process that looks into databases took at most. */

import { readdirSync, readFileSync } from 'node:fs';

/** In MiB, of this process's children of that name, by default those that capture databases; 0 where there are none. */
export function childPeakMib(program = 'sqlite-child'): number {
  const peaks = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        const isChild = readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(program);
        const status = readFileSync(`/proc/${pid}/status`, 'utf8');
        if (!isChild || !status.includes(`PPid:\t${process.pid}\n`)) return 0;
        return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
      } catch {
        return 0;
      }
    });
  return Math.round(Math.max(0, ...peaks));
}
