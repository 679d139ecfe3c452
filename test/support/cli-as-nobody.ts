/** The real command line as a user whom modes concern: another one where this is root. */

import { spawnSync } from 'node:child_process';
import { chmodSync, lchownSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type CliFixture, PASSWORD, PROGRAM, type Run } from './cli.ts';

const NOBODY = 65_534;
const isRoot = process.geteuid?.() === 0;

/** Paths of all files below. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** With a cache of its own. */
export function runAsNobody(cli: CliFixture, parameters: readonly string[]): Pick<Run, 'code' | 'stdout' | 'stderr'> {
  const env = { SNAP_REPOSITORY: cli.repository, SNAP_PASSWORD: PASSWORD, SNAP_CACHE_DIR: join(cli.folder, 'nobody') };
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...parameters], {
    env: { PATH: process.env['PATH'] ?? '', HOME: cli.folder, ...env },
    encoding: 'utf8',
    ...(isRoot ? { uid: NOBODY, gid: NOBODY } : {}),
  });
  return { code: status, stdout, stderr };
}

/** Lets nobody have all of the repository, but not read one file of it, if one is named. */
export function give(cli: CliFixture, unreadable?: string): void {
  chmodSync(cli.folder, 0o777);
  giveTo(cli.repository);
  if (unreadable === undefined) return;
  if (isRoot) lchownSync(unreadable, 0, 0);
  chmodSync(unreadable, isRoot ? 0o600 : 0);
}

/** Makes a folder with all below nobody's own. */
export function giveTo(folder: string): void {
  if (!isRoot) return;
  lchownSync(folder, NOBODY, NOBODY);
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    lchownSync(join(folder, path), NOBODY, NOBODY);
  }
}
