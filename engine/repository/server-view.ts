/** What lies on this disk, for those who look for servers: each path is looked at once, and most that are not there not at all. */

import { closeSync, constants, fstatSync, opendirSync, openSync, readSync, statSync } from 'node:fs';
import { errnoCode } from '../base/errors.ts';
import { PROFILE_SETTINGS_BYTES_MAX } from '../base/limits.ts';
import { joinPath } from '../base/paths.ts';
import { isSqliteHeader } from '../databases/sqlite.ts';
import type { FolderView } from '../profiles/recognise.ts';
import { settingIn } from '../profiles/setting-lines.ts';
import type { Sign } from '../profiles/types.ts';

const HEADER_BYTES = 16;
const DATABASE_BYTES_MIN = 512;

/** What cannot be looked at is not there. It remembers what it saw, so it is for one look, not for long. */
export class DiskView implements FolderView {
  readonly #kinds = new Map<string, Sign['kind'] | undefined>();
  /** Names in folders that were listed to their end. */
  readonly #names = new Map<string, ReadonlySet<string>>();

  kindOf(path: Buffer): Sign['kind'] | undefined {
    const key = path.toString('latin1');
    if (this.#isAbsent(key)) return undefined;
    if (this.#kinds.has(key)) return this.#kinds.get(key);
    const kind = kindOnDisk(path);
    this.#kinds.set(key, kind);
    return kind;
  }

  settingOf(file: Buffer, name: string): string | undefined {
    const text = this.kindOf(file) === 'file' ? readSettings(file) : undefined;
    return text === undefined ? undefined : settingIn(text, name);
  }

  /** Folders in a folder, sorted; of a large one those among its first entries. Links are not followed. */
  foldersIn(folder: Buffer, entriesMax: number): Buffer[] {
    const found: Buffer[] = [];
    const names = new Set<string>();
    try {
      // Names as they are in bytes.
      const directory = opendirSync(folder, { encoding: 'latin1', bufferSize: entriesMax });
      try {
        let entry = directory.readSync();
        for (; entry !== null && names.size < entriesMax; entry = directory.readSync()) {
          names.add(entry.name);
          if (entry.isDirectory()) found.push(joinPath(folder, Buffer.from(entry.name, 'latin1')));
        }
        if (entry === null) this.#names.set(folder.toString('latin1'), names);
      } finally {
        directory.closeSync();
      }
    } catch (error) {
      if (errnoCode(error) === undefined) throw error;
    }
    return found.sort(Buffer.compare);
  }

  /** True where a folder on the way to the path was listed, and lacks the next step. */
  #isAbsent(path: string): boolean {
    for (let end = path.length, slash = path.lastIndexOf('/'); slash >= 0; slash = path.lastIndexOf('/', slash - 1)) {
      const names = this.#names.get(slash === 0 ? '/' : path.slice(0, slash));
      if (names !== undefined) return !names.has(path.slice(slash + 1, end));
      if (slash === 0) return false;
      end = slash;
    }
    return false;
  }
}

function kindOnDisk(path: Buffer): Sign['kind'] | undefined {
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    if (stat.isDirectory()) return 'folder';
    if (!stat.isFile()) return undefined;
    return stat.size >= DATABASE_BYTES_MIN && beginsLikeDatabase(path) ? 'sqlite' : 'file';
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    return undefined;
  }
}

/** This process has no connection to a database, whose locks closing the file would drop. */
function beginsLikeDatabase(path: Buffer): boolean {
  const head = Buffer.alloc(HEADER_BYTES);
  const file = openSync(path, 'r');
  try {
    readSync(file, head, 0, HEADER_BYTES, 0);
  } finally {
    closeSync(file);
  }
  return isSqliteHeader(head);
}

/** Undefined for what cannot be read, and for a file larger than any of settings. */
function readSettings(path: Buffer): string | undefined {
  try {
    // Nobody waits for a pipe that lies there since it was looked at.
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stat = fstatSync(file);
      if (!stat.isFile() || stat.size > PROFILE_SETTINGS_BYTES_MAX) return undefined;
      const content = Buffer.alloc(stat.size);
      return content.toString('utf8', 0, readSync(file, content, 0, content.length, 0));
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    return undefined;
  }
}
