/** Backup and restore in a process of their own: as somebody who owns nothing, or without the C library. */

import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Problem } from '../../engine/base/errors.ts';

const NOBODY = 65_534;

export interface RoundTripOptions {
  /** Holds `repository` and `cache`; a repository is made where there is none. */
  readonly folder: string;
  /** Path of the source, in the snapshot too. */
  readonly source: string;
  readonly backup: boolean;
  /** Restores the latest snapshot to here. */
  readonly target?: string;
}

export interface RoundTripResult {
  readonly backupProblems: readonly Problem[];
  readonly restoreProblems: readonly Problem[];
  readonly restoreProblemCount: number;
  readonly notes: readonly string[];
}

export interface ProcessOptions {
  /** Gives the folder away to nobody first. Only for root. */
  readonly asNobody?: boolean;
  readonly withoutKoffi?: boolean;
}

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

export function roundTrip(options: RoundTripOptions, run: ProcessOptions = {}): RoundTripResult {
  if (run.asNobody === true) {
    mkdirSync(join(options.folder, 'target'), { recursive: true });
    execFileSync('chown', ['-R', `${NOBODY}:${NOBODY}`, options.folder]);
    chmodSync(join(options.folder, '..'), 0o711);
  }
  const preload = run.withoutKoffi === true ? ['--import', new URL('./no-koffi.js', import.meta.url).href] : [];
  const parameters = [...preload, here('./round-trip-child.js'), JSON.stringify(options)];
  const { status, stdout, stderr } = spawnSync(process.execPath, parameters, {
    ...(run.asNobody === true ? { uid: NOBODY, gid: NOBODY } : {}),
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '', HOME: options.folder },
    timeout: 120_000,
    killSignal: 'SIGKILL',
  });
  if (status !== 0) throw new Error(`The round trip failed: ${stderr}`);
  return JSON.parse(stdout) as RoundTripResult;
}
