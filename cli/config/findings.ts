/** What is found below folders that somebody wants to back up, for a first configuration. */

import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, isSqliteHeader, pathsLeftOut } from '../../engine/index.ts';
import { findServers, type ServerFindings } from './server-findings.ts';

export interface Findings {
  /** Folders and files to back up. */
  readonly sources: readonly string[];
  /** SQLite databases below them, but for those that a profile leaves out. */
  readonly databases: readonly string[];
  /** Servers whose folders these are, with their profiles. */
  readonly servers: readonly ServerFindings[];
  /** What may be left out, each with the reason. */
  readonly excludes: readonly { readonly pattern: string; readonly why: string }[];
  /** Lines of YAML for `commands`, such as a server's stop and start, each with a comment. */
  readonly commands: readonly { readonly yaml: string; readonly why: string }[];
  /** Sentences that a person should read. */
  readonly warnings: readonly string[];
}

/** INVALID_ARGUMENT for a folder that is not there: nobody wants a configuration for it. INTERRUPTED after the signal. */
export async function detectFindings(
  folders: readonly string[],
  options: { readonly cacheDirectory: string; readonly signal: AbortSignal },
): Promise<Findings> {
  for (const folder of folders) {
    if (statSync(folder, { throwIfNoEntry: false }) !== undefined) continue;
    throw new EngineError('INVALID_ARGUMENT', `${folder} does not exist, so nothing was generated`);
  }
  const { servers, detected } = await findServers(folders, options);
  const scanned = scanForDatabases(folders);
  // A night says so where a database that is named was not captured.
  const paths = scanned.databases.map((path) => Buffer.from(path));
  const leftOut = new Set(pathsLeftOut(detected, paths).map(String));
  return {
    sources: [...new Set(folders)],
    databases: scanned.databases.filter((path) => !leftOut.has(path)),
    servers,
    excludes: [],
    commands: [],
    warnings: [...new Set([...servers.flatMap(({ warnings }) => warnings), ...scanned.warnings])],
  };
}

interface Scanned {
  readonly databases: readonly string[];
  readonly warnings: readonly string[];
}

/** A light look, and no backup: a folder of millions of files is not read to its end. */
const SCAN_ENTRIES_MAX = 300_000;
const DATABASES_NAMED_MAX = 200;
const DATABASE_NAME = /\.(?:db|db3|sqlite|sqlite3|sqlitedb|kdb|abs)$|(?:-wal|-journal)$/i;
const SIDE_FILE = /-(?:wal|shm|journal)$/i;

function scanForDatabases(folders: readonly string[]): Scanned {
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
  return { databases: [...databases].sort(), warnings };
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
