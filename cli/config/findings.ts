/** What is found below folders that somebody wants to back up, for a first configuration. */

import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, isSqliteHeader } from '../../engine/index.ts';

export interface Findings {
  /** Folders and files to back up. */
  readonly sources: readonly string[];
  /** SQLite databases below them. */
  readonly databases: readonly string[];
  /** What may be left out, each with the reason. */
  readonly excludes: readonly { readonly pattern: string; readonly why: string }[];
  /** Lines of YAML for `commands`, such as a server's stop and start, each with a comment. */
  readonly commands: readonly { readonly yaml: string; readonly why: string }[];
  /** Sentences that a person should read. */
  readonly warnings: readonly string[];
}

export type Detector = (folders: readonly string[]) => Findings;

/** All that look. Whatever knows more of the servers that manage such folders takes its place here. */
const DETECTORS: readonly Detector[] = [scanForDatabases];

/** INVALID_ARGUMENT for a folder that is not there: nobody wants a configuration for it. */
export function detectFindings(folders: readonly string[]): Findings {
  for (const folder of folders) {
    if (statSync(folder, { throwIfNoEntry: false }) !== undefined) continue;
    throw new EngineError('INVALID_ARGUMENT', `${folder} does not exist, so nothing was generated`);
  }
  const found = DETECTORS.map((detect) => detect(folders));
  return {
    sources: [...new Set([...folders, ...found.flatMap(({ sources }) => sources)])],
    databases: [...new Set(found.flatMap(({ databases }) => databases))],
    excludes: found.flatMap(({ excludes }) => excludes),
    commands: found.flatMap(({ commands }) => commands),
    warnings: found.flatMap(({ warnings }) => warnings),
  };
}

/** A light look, and no backup: a folder of millions of files is not read to its end. */
const SCAN_ENTRIES_MAX = 300_000;
const DATABASES_NAMED_MAX = 200;
const DATABASE_NAME = /\.(?:db|db3|sqlite|sqlite3|sqlitedb|kdb|abs)$|(?:-wal|-journal)$/i;
const SIDE_FILE = /-(?:wal|shm|journal)$/i;

function scanForDatabases(folders: readonly string[]): Findings {
  const databases = new Set<string>();
  const unreadable: string[] = [];
  const waiting = [...folders];
  let entries = 0;
  for (let folder = waiting.pop(); folder !== undefined && entries < SCAN_ENTRIES_MAX; folder = waiting.pop()) {
    if (!statSync(folder).isDirectory()) {
      if (isDatabase(folder)) databases.add(folder);
      continue;
    }
    try {
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        entries++;
        const path = join(folder, entry.name);
        if (entry.isDirectory()) waiting.push(path);
        else if (entry.isFile() && DATABASE_NAME.test(entry.name)) {
          const base = path.replace(SIDE_FILE, '');
          if (databases.size < DATABASES_NAMED_MAX && isDatabase(base)) databases.add(base);
        }
      }
    } catch (error) {
      unreadable.push(`${folder} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const isCut = waiting.length > 0;
  const cut = `Only the first ${SCAN_ENTRIES_MAX} entries were looked at: there may be more databases. A backup finds them all`;
  const warnings = [...unreadable.slice(0, UNREADABLE_NAMED_MAX), ...(isCut ? [cut] : [])];
  return { sources: [], databases: [...databases].sort(), excludes: [], commands: [], warnings };
}

const UNREADABLE_NAMED_MAX = 20;
const HEADER_BYTES = 16;

function isDatabase(path: string): boolean {
  try {
    const file = openSync(path, 'r');
    try {
      const header = Buffer.alloc(HEADER_BYTES);
      return readSync(file, header, 0, HEADER_BYTES, 0) === HEADER_BYTES && isSqliteHeader(header);
    } finally {
      closeSync(file);
    }
  } catch {
    return false;
  }
}
