/**
 * The server's own memory, beside the repository: users, sessions, tokens, settings, jobs, and backups that failed. Losing
 * it loses no snapshot.
 */

import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { EngineError } from '../../engine/index.ts';
import { MIGRATIONS } from './migrations.ts';

export type StateDatabase = Database.Database;

export const STATE_FILE = 'state.db';
const LOCK_FILE = 'state.lock';
/** Of the schema; a newer program's state is refused. */
const SCHEMA_VERSION = MIGRATIONS.length;

/** The database and the lock that says that nobody else serves it. */
export interface OpenState {
  readonly database: StateDatabase;
  close(): void;
}

/**
 * Opens or makes the state of a folder. REPOSITORY_LOCKED while another server has it, STORAGE_FAILED where the folder
 * cannot be written, REPOSITORY_UNSUPPORTED for the state of a newer program.
 */
export function openStateDatabase(folder: string): OpenState {
  const lock = lockState(folder);
  try {
    const path = join(folder, STATE_FILE);
    const database = new Database(path);
    try {
      // Nobody else is to read the hashes of passwords and tokens.
      chmodSync(path, 0o600);
      database.pragma('journal_mode = WAL');
      database.pragma('synchronous = FULL');
      database.pragma('foreign_keys = ON');
      migrate(database);
    } catch (error) {
      database.close();
      throw error;
    }
    return {
      database,
      close: () => {
        database.close();
        lock.close();
      },
    };
  } catch (error) {
    lock.close();
    throw asStorageError(error, folder);
  }
}

/** A lock of the kernel's, held through SQLite: it goes with the process, however that ends. */
function lockState(folder: string): Database.Database {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const lock = new Database(join(folder, LOCK_FILE), { timeout: 0 });
    lock.pragma('journal_mode = DELETE');
    lock.pragma('locking_mode = EXCLUSIVE');
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_BUSY')) {
      throw new EngineError('REPOSITORY_LOCKED', `Another "snap serve" uses the state in ${folder}`, error);
    }
    throw asStorageError(error, folder);
  }
}

function asStorageError(error: unknown, folder: string): EngineError {
  if (error instanceof EngineError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new EngineError('STORAGE_FAILED', `The server's state in ${folder} cannot be used: ${why}`, error);
}

function migrate(database: StateDatabase): void {
  const version = Number(database.pragma('user_version', { simple: true }));
  if (version > SCHEMA_VERSION) {
    throw new EngineError(
      'REPOSITORY_UNSUPPORTED',
      `The server's state is version ${version}; this program knows ${SCHEMA_VERSION}. Use the newer program`,
    );
  }
  for (let next = version; next < SCHEMA_VERSION; next++) {
    database.transaction(() => {
      database.exec(MIGRATIONS[next] ?? '');
      database.pragma(`user_version = ${next + 1}`);
    })();
  }
}

/** Writes down that something was used. Where the disk is full people can still look: that matters more. */
export function noteUse(write: () => unknown): void {
  try {
    write();
  } catch {
    // The next use tries again.
  }
}
