/** Backups as Audiobookshelf's own clients know them, and where the parts of its file lie here. Pure. */

import type { BackupRecord } from '../state/backups.ts';
import type { LibraryPaths } from './library.ts';

/** Its profile in the engine. */
const PROFILE = 'audiobookshelf';
const DATABASE_NAME = 'absdatabase.sqlite';
const EXTENSION = '.audiobookshelf';

/** The fields that the server itself gives, by the names that it gives them. */
export interface ServerBackupView {
  readonly id: string;
  readonly key: 'sqlite';
  readonly backupDirPath: string;
  readonly datePretty: string;
  readonly fullPath: string;
  readonly path: string;
  readonly filename: string;
  /** Bytes. */
  readonly fileSize: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** Clients offer nothing of a backup without it. */
  readonly serverVersion: string;
}

export function serverBackupView(
  { id, backupId, createdAt, filePath, sizeBytes }: BackupRecord,
  { location, zone, program }: { readonly location: string; readonly zone: string; readonly program: string },
): ServerBackupView {
  const filename = `${backupId}${EXTENSION}`;
  const createdMs = Date.parse(createdAt);
  return {
    id: String(id),
    key: 'sqlite',
    backupDirPath: location,
    datePretty: prettyDate(createdMs, zone),
    fullPath: filePath ?? location,
    path: `backups/${filename}`,
    filename,
    fileSize: sizeBytes ?? 0,
    createdAt: createdMs,
    serverVersion: program,
  };
}

/** As in `Sun, Mar 1 2026 02:00`. */
function prettyDate(ms: number, zone: string): string {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    weekday: 'short',
    month: 'short',
    day: 'numeric',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  const parts = new Map(format.formatToParts(ms).map(({ type, value }) => [type, value]));
  const part = (type: Intl.DateTimeFormatPartTypes): string => parts.get(type) ?? '';
  return `${part('weekday')}, ${part('month')} ${part('day')} ${part('year')} ${part('hour')}:${part('minute')}`;
}

/** Where the server has the parts of its backup. */
export interface ServerPlaces {
  /** Folder of the database. */
  readonly config: string;
  readonly metadata: string;
}

/** Undefined where the library is not one of that server, or is not known well enough. */
export function serverPlaces({ profile, database_paths, cover_paths }: LibraryPaths): ServerPlaces | undefined {
  const [config] = database_paths;
  const [metadata] = cover_paths;
  if (profile !== PROFILE || config === undefined || metadata === undefined) return undefined;
  const suffix = `/${DATABASE_NAME}`;
  return { config: config.endsWith(suffix) ? config.slice(0, -suffix.length) : config, metadata };
}
