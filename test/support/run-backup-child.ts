/** Starts backups as processes of their own. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { BackupChildReport } from './backup-child.ts';

const PROGRAM = fileURLToPath(new URL('./backup-child.js', import.meta.url));

export interface BackupChild {
  readonly process: ChildProcess;
  /** Undefined for one that was killed. */
  readonly report: Promise<BackupChildReport | undefined>;
}

export function startBackup(options: {
  readonly repository: string;
  readonly cache: string;
  readonly source: string;
  readonly workers?: number;
}): BackupChild {
  const parameters = [PROGRAM, options.repository, options.cache, options.source, String(options.workers ?? 2)];
  const child = spawn(process.execPath, parameters, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const report = once(child, 'close').then(() =>
    output === '' ? undefined : (JSON.parse(output) as BackupChildReport),
  );
  return { process: child, report };
}
