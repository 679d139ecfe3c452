/** Folders of runs in which images of databases lie until they are stored. */

import { lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { EngineError, errnoCode } from '../base/errors.ts';
import { makeDirectories } from '../base/make-directories.ts';

/** A folder of another machine, or container, that shares the cache is left alone for this long. */
const ABANDONED_MS_MIN = 2 * 24 * 3600_000;

/**
 * Makes one for this process: below `parent`, or where temporary files lie if nothing can be written there. Only its
 * owner may look into it. DATABASE_FAILED where neither is possible.
 */
export function makeScratchFolder(parent: string): string {
  const name = `${scratchPrefix()}${process.pid}-`;
  try {
    makeDirectories(parent, 0o700);
    return mkdtempSync(join(parent, name));
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    try {
      return mkdtempSync(join(tmpdir(), `snap-${name}`));
    } catch {
      throw new EngineError(
        'DATABASE_FAILED',
        `There is no room for an image of a database: neither ${parent} nor ${tmpdir()} can be written to. Name another cache directory`,
        error,
      );
    }
  }
}

/** What `work` makes of such a folder below a cache directory, which is gone afterwards. */
export async function inScratchFolder<Result>(
  cacheDirectory: string,
  work: (folder: string) => Promise<Result>,
): Promise<Result> {
  const parent = join(cacheDirectory, 'scratch');
  sweepScratchFolders(parent);
  const folder = makeScratchFolder(parent);
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Removes the folders of runs that are over: they hold what was not encrypted yet. */
export function sweepScratchFolders(parent: string): void {
  try {
    for (const name of readdirSync(parent)) {
      const path = join(parent, name);
      if (isLeftOver(name, path)) rmSync(path, { recursive: true, force: true });
    }
  } catch (error) {
    // A cache that cannot be looked into holds nothing of ours.
    if (errnoCode(error) === undefined) throw error;
  }
}

function isLeftOver(name: string, path: string): boolean {
  if (!name.startsWith('images-')) return false;
  const prefix = scratchPrefix();
  if (!name.startsWith(prefix)) return Date.now() - lstatSync(path).mtimeMs > ABANDONED_MS_MIN;
  const pid = Number.parseInt(name.slice(prefix.length), 10);
  return pid > 0 && pid !== process.pid && !isAlive(pid);
}

/** Names of this host's scratch folders, up to the process's id. */
function scratchPrefix(): string {
  return `images-${hostname().replaceAll('/', '_')}-`;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
}
