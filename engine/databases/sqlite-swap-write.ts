/** Writes an image into a live database by SQLite's own backup, as one transaction. */

import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { databaseFiles } from './sqlite-files.ts';
import { removeIfThere, type SwapPlace } from './sqlite-swap-files.ts';

const RETRY_MS = 50;
/** All pages at once, so that the transaction is as short as can be. */
const ALL_PAGES = 0x7fff_ffff;

/** An error SQLITE_BUSY where others did not let it begin within the timeout. */
export async function writeThrough(
  place: SwapPlace,
  options: { readonly scratchDirectory: string; readonly busyTimeoutMs: number },
): Promise<void> {
  const image = databaseFiles(place.image, options.scratchDirectory);
  const target = databaseFiles(place.main, options.scratchDirectory);
  try {
    const source = new Database(image.files.open, { readonly: true, fileMustExist: true });
    try {
      await copyInto(source, target.files.open, options.busyTimeoutMs);
    } finally {
      source.close();
      for (const path of [image.files.wal, image.files.shm, image.files.journal]) removeIfThere(path);
    }
  } finally {
    image.dispose();
    target.dispose();
  }
}

async function copyInto(source: Database.Database, target: string, busyTimeoutMs: number): Promise<void> {
  const end = performance.now() + busyTimeoutMs;
  const before = schemaVersion(target, busyTimeoutMs);
  for (;;) {
    const { totalPages, remainingPages } = await source.backup(target, { progress: () => ALL_PAGES });
    // Where the target is locked by others, it answers that there was nothing to copy.
    if (totalPages > 0 && remainingPages === 0) break;
    if (performance.now() >= end) throw new Database.SqliteError('database is locked', 'SQLITE_BUSY');
    await sleep(RETRY_MS);
  }
  // A copy raises it by one, whatever it is in the image.
  if (schemaVersion(target, busyTimeoutMs) === before) throw new Error('it did not take the new content');
}

function schemaVersion(path: string, busyTimeoutMs: number): number {
  const connection = new Database(path, { fileMustExist: true, timeout: busyTimeoutMs });
  try {
    return Number(connection.pragma('schema_version', { simple: true }));
  } finally {
    connection.close();
  }
}
