/** Folders of runs in which images of databases lie until they are stored. */

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { makeDirectories } from '../../base/make-directories.ts';

/** Makes one for this process, and removes those of processes that were killed. */
export function makeScratchFolder(parent: string): string {
  makeDirectories(parent, 0o700);
  removeLeftovers(parent);
  return mkdtempSync(join(parent, `${scratchPrefix()}${process.pid}-`));
}

/** Names of this host's scratch folders, up to the process's id. */
function scratchPrefix(): string {
  return `images-${hostname().replaceAll('/', '_')}-`;
}

/** Images that a run which was killed left behind. */
function removeLeftovers(scratchParent: string): void {
  const prefix = scratchPrefix();
  for (const name of readdirSync(scratchParent)) {
    if (!name.startsWith(prefix)) continue;
    const pid = Number.parseInt(name.slice(prefix.length), 10);
    if (pid > 0 && !isAlive(pid)) rmSync(join(scratchParent, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
}
