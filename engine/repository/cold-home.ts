/**
 * Where the cold chunk index of a repository lies in the cache directory, and how many processes use it at once although
 * LevelDB lets only one open a database:
 *
 *   index/REPOSITORY/v1-NUMBER/      a generation: a closed database that nobody ever opens or changes again
 *   index/REPOSITORY/work/RUN/       what one process works with
 *
 * Every process opens a private clone of the newest generation: tables (.ldb) never change once written, so they are
 * hard-linked, and the few small files beside them copied. Whoever has more to add writes it to the own clone, and
 * publishes a clone of that under the next number: the rename is atomic, and of two processes that do so at once one
 * fails, throws its work away and has lost only time. So there are no locks, a crash leaves a folder in `work` that a later
 * process removes, and the whole directory may be deleted at any moment: open files live on.
 */

import { randomBytes } from 'node:crypto';
import { copyFile, link, readdir, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { errnoCode } from '../base/errors.ts';
import type { RepositoryId } from '../base/ids.ts';
import { COLD_CLONE_ATTEMPTS_MAX } from '../base/limits.ts';
import { makeDirectories } from '../base/make-directories.ts';

/** The layout of what lies inside: another version is another name (trap 17). */
const GENERATION = /^v1-(\d{10})$/;
/** Work of a process on another host is taken for abandoned after this. */
const ABANDONED_MS = 7 * 24 * 3600 * 1000;

export interface ClonedGeneration {
  readonly location: string;
  readonly generation: number;
}

export class ColdHome {
  readonly directory: string;
  readonly #work: string;
  #made = 0;

  constructor(cacheDirectory: string, repositoryId: RepositoryId) {
    this.directory = join(cacheDirectory, 'index', repositoryId);
    const run = `${process.pid}-${randomBytes(4).toString('hex')}-${hostname().replace(/[^\w.-]/g, '_')}`;
    this.#work = join(this.directory, 'work', run);
  }

  /** A new path in this process's own folder, which is made. */
  newWorkPath(): string {
    makeDirectories(this.#work, 0o700);
    return join(this.#work, String(this.#made++));
  }

  /** Numbers of the generations that lie there, the newest first. */
  async generations(): Promise<number[]> {
    const names = await readdir(this.directory).catch(() => []);
    return names
      .map((name) => GENERATION.exec(name)?.[1])
      .filter((digits) => digits !== undefined)
      .map(Number)
      .sort((a, b) => b - a);
  }

  #path(generation: number): string {
    return join(this.directory, `v1-${String(generation).padStart(10, '0')}`);
  }

  /** A private clone of the newest generation, or undefined where there is none. Throws what the file system throws. */
  async cloneNewest(): Promise<ClonedGeneration | undefined> {
    let failure: unknown;
    for (let attempt = 0; attempt < COLD_CLONE_ATTEMPTS_MAX; attempt++) {
      const [newest] = await this.generations();
      if (newest === undefined) return undefined;
      const location = this.newWorkPath();
      try {
        await cloneDatabase(this.#path(newest), location);
        return { location, generation: newest };
      } catch (error) {
        // It was removed meanwhile, because there is a newer one.
        if (errnoCode(error) !== 'ENOENT') throw error;
        failure = error;
        await rm(location, { recursive: true, force: true });
      }
    }
    throw failure;
  }

  /** A clone of one's own database, to be published. */
  async clone(location: string): Promise<string> {
    const copy = this.newWorkPath();
    await cloneDatabase(location, copy);
    return copy;
  }

  /** Gives a closed clone the number of a generation, and removes the older ones. False where somebody else was first. */
  async publish(clone: string, generation: number): Promise<boolean> {
    try {
      await rename(clone, this.#path(generation));
    } catch (error) {
      const code = errnoCode(error);
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
      await rm(clone, { recursive: true, force: true });
      return false;
    }
    const all = await this.generations();
    for (const other of all) if (other < generation) await this.remove(other);
    // The number was free again because others went on from it: theirs is newer.
    const isNewest = all[0] === generation;
    if (!isNewest) await this.remove(generation);
    return isNewest;
  }

  /** Removes a generation: an old one, or one that turned out to be damaged. */
  async remove(generation: number): Promise<void> {
    await rm(this.#path(generation), { recursive: true, force: true });
  }

  /** Removes what processes left that are no more. */
  async sweep(): Promise<void> {
    const work = join(this.directory, 'work');
    for (const name of await readdir(work).catch(() => [])) {
      const [, pid = '', host = ''] = /^(\d+)-[0-9a-f]+-(.*)$/.exec(name) ?? [];
      const path = join(work, name);
      const own = host === hostname().replace(/[^\w.-]/g, '_');
      const abandoned = own ? !isProcessAlive(Number(pid)) : await isOlderThan(path, ABANDONED_MS);
      if (abandoned) await rm(path, { recursive: true, force: true });
    }
  }

  /** Removes what this process worked with. */
  async close(): Promise<void> {
    if (this.#made > 0) await rm(this.#work, { recursive: true, force: true });
  }
}

async function cloneDatabase(from: string, to: string): Promise<void> {
  makeDirectories(to, 0o700);
  for (const name of await readdir(from)) {
    if (name === 'LOCK' || name.startsWith('LOG')) continue;
    if (!name.endsWith('.ldb')) await copyFile(join(from, name), join(to, name));
    else await link(join(from, name), join(to, name)).catch(() => copyFile(join(from, name), join(to, name)));
  }
}

function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoCode(error) === 'EPERM';
  }
}

async function isOlderThan(path: string, ms: number): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && Date.now() - found.mtimeMs > ms;
}
