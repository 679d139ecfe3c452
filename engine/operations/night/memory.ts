/** What a machine remembers of a repository's nights, in the cache directory: a lock, and when what was done last. */

import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { EngineError, errnoCode, errorMessage } from '../../base/errors.ts';
import { makeDirectories } from '../../base/make-directories.ts';
import { type FileLock, lockFile } from '../../filesystem/machine.ts';
import type { NightState } from './options.ts';

export class NightMemory {
  readonly #lock: string;
  readonly #state: string;
  readonly #location: string;
  /** Folders of rehearsals begin with this. */
  readonly rehearsals: string;

  constructor(cacheDirectory: string, location: string) {
    const folder = join(cacheDirectory, 'nights');
    const key = createHash('sha256').update(canonical(location)).digest('hex').slice(0, 32);
    this.#location = location;
    this.#lock = join(folder, `${key}.lock`);
    this.#state = join(folder, `${key}.json`);
    this.rehearsals = join(folder, `rehearsal-${key}-`);
  }

  /** REPOSITORY_LOCKED while another night of the same repository is under way on this machine; STORAGE_FAILED. */
  lock(now: Date): FileLock {
    let held: FileLock | undefined;
    try {
      makeDirectories(dirname(this.#lock), 0o700);
      held = lockFile(this.#lock, `process ${process.pid} since ${now.toISOString()}`);
    } catch (error) {
      if (errnoCode(error) === undefined) throw error;
      const why = errorMessage(error);
      throw new EngineError(
        'STORAGE_FAILED',
        `Two nights could overlap, so none began: no lock in the cache: ${why}`,
        error,
      );
    }
    if (held !== undefined) return held;
    throw new EngineError(
      'REPOSITORY_LOCKED',
      `Another night of ${this.#location} is under way on this machine (${this.#holder()}): this one did nothing`,
    );
  }

  /** Removes scratch folders of nights that were killed: whoever has the lock is the only night here. */
  sweep(): void {
    try {
      const folder = dirname(this.rehearsals);
      for (const name of readdirSync(folder)) {
        if (name.startsWith(basename(this.rehearsals))) rmSync(join(folder, name), { recursive: true, force: true });
      }
    } catch (error) {
      if (errnoCode(error) === undefined) throw error;
    }
  }

  #holder(): string {
    try {
      return readFileSync(this.#lock, 'utf8').slice(0, 100) || 'process unknown';
    } catch {
      return 'process unknown';
    }
  }

  /** Empty where nothing is known. */
  load(): NightState {
    try {
      const stored: unknown = JSON.parse(readFileSync(this.#state, 'utf8'));
      if (typeof stored !== 'object' || stored === null) return {};
      const known = ['prunedMs', 'checkedMs', 'checkedPart', 'rehearsedMs'];
      return Object.fromEntries(
        Object.entries(stored).filter(([key, value]) => known.includes(key) && Number.isFinite(value)),
      ) as NightState;
    } catch {
      return {};
    }
  }

  /** A cache that cannot be written is no reason to fail: then more is due the next time. */
  save(state: NightState): void {
    const temporary = `${this.#state}.${randomBytes(6).toString('hex')}`;
    try {
      writeFileSync(temporary, JSON.stringify(state), { mode: 0o600 });
      renameSync(temporary, this.#state);
    } catch (error) {
      if (errnoCode(error) === undefined) throw error;
    }
  }
}

/** One name for one place, whichever way it is called; also where its disk is not mounted yet. */
function canonical(location: string): string {
  if (/^[a-z][a-z0-9+.-]+:/.test(location)) return location;
  const path = resolve(location);
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(canonical(parent), basename(path));
  }
}
