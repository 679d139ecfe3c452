/**
 * Audiobookshelf's own backup file: a zip of the server's database, two folders of its metadata, and `details`, four lines
 * that say what it is. Pure. The server reads the lines by position and judges nothing else, so this does.
 */

import { EngineError } from '../base/errors.ts';

/** Name of the database, in the archive and in the server's `config` folder. */
export const SERVER_DATABASE = 'absdatabase.sqlite';
export const SERVER_DETAILS = 'details';
/** Where a server has its database and its metadata, as its containers do. */
export const SERVER_CONFIG = 'config';
export const SERVER_METADATA = 'metadata';
/** Folders of the metadata that a backup holds, and how it calls them. */
export const SERVER_FOLDERS = [
  { folder: 'items', inArchive: 'metadata-items' },
  { folder: 'authors', inArchive: 'metadata-authors' },
] as const;

/** The newest server whose backups are known to be as described here. */
const VERSION_KNOWN = { major: 2, minor: 37 } as const;
/** What the second line says since the server keeps all in SQLite; before, it said 0 or 1. */
const KEY = 'sqlite';
const ID = /^(\d{4})-(\d{2})-(\d{2})T(\d{2})(\d{2})$/;
/** Milliseconds of the years 2001 to 2286. */
const MILLISECONDS = /^\d{13}$/;
const VERSION = /^(\d{1,4})\.(\d{1,4})\.(\d{1,4})(?:[-+][0-9A-Za-z.+-]{1,40})?$/;
const ZONE_STEP_MINUTES = 15;
const ZONE_MINUTES_MAX = 14 * 60;
const ZONE_MINUTES_MIN = -12 * 60;

export interface ServerDetails {
  /** `YYYY-MM-DDTHHmm` in the server's local time. */
  readonly id: string;
  readonly createdAtMs: number;
  readonly serverVersion: string;
}

/** Of a time as snapshots have it: ISO 8601 with its offset. */
export function serverDetails(isoWithZone: string, serverVersion: string): ServerDetails {
  const id = `${isoWithZone.slice(0, 10)}T${isoWithZone.slice(11, 13)}${isoWithZone.slice(14, 16)}`;
  return { id, createdAtMs: Date.parse(isoWithZone), serverVersion };
}

export function isServerVersion(text: string): boolean {
  return VERSION.test(text);
}

/** Of a version that isServerVersion() takes: of another generation of servers, or newer than all that is known here. */
export function judgeServerVersion(version: string): 'known' | 'newer' | 'other' {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major !== VERSION_KNOWN.major) return 'other';
  return minor > VERSION_KNOWN.minor ? 'newer' : 'known';
}

export const SERVER_VERSION_KNOWN = `${VERSION_KNOWN.major}.${VERSION_KNOWN.minor}`;

/** No newline at the end, as the server writes it. */
export function encodeServerDetails({ id, createdAtMs, serverVersion }: ServerDetails): Buffer {
  return Buffer.from([id, KEY, createdAtMs, serverVersion].join('\n'));
}

function invalid(why: string): never {
  throw new EngineError('ARCHIVE_INVALID', `This is no backup of Audiobookshelf that can be taken: ${why}`);
}

/** ARCHIVE_INVALID says which line is not what the server writes. */
export function decodeServerDetails(bytes: Buffer): ServerDetails {
  const text = bytes.toString('utf8');
  if (text.includes('\r')) invalid('the lines of "details" end in CRLF, which the server misreads');
  const lines = text.replace(/\n$/, '').split('\n');
  if (lines.length !== 4) invalid(`"details" has ${lines.length} lines instead of four`);
  const [id = '', key = '', createdAt = '', serverVersion = ''] = lines;
  if (!isMinute(id)) invalid(`the first line of "details" is no date and time (${JSON.stringify(id.slice(0, 40))})`);
  if (key !== KEY) {
    const old = key === '0' || key === '1' ? ': it is of a server before 2.3.0, which had no SQLite database' : '';
    invalid(`the second line of "details" is ${JSON.stringify(key.slice(0, 40))} instead of "${KEY}"${old}`);
  }
  if (!MILLISECONDS.test(createdAt)) {
    invalid(`the third line of "details" is no time in milliseconds (${JSON.stringify(createdAt.slice(0, 40))})`);
  }
  if (!isServerVersion(serverVersion)) {
    invalid(`the fourth line of "details" is no version of a server (${JSON.stringify(serverVersion.slice(0, 40))})`);
  }
  if (judgeServerVersion(serverVersion) === 'other') {
    invalid(
      `it was made by Audiobookshelf ${serverVersion}, whose backups are not known here: ${SERVER_VERSION_KNOWN} is`,
    );
  }
  return { id, createdAtMs: Number(createdAt), serverVersion };
}

function isMinute(id: string): boolean {
  const at = idAsUtcMs(id);
  return at !== undefined && new Date(at).toISOString().startsWith(`${id.slice(0, 13)}:${id.slice(13)}`);
}

function idAsUtcMs(id: string): number | undefined {
  const match = ID.exec(id);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0] = match.slice(1).map(Number);
  return Date.UTC(year, month - 1, day, hour, minute);
}

/**
 * The time of a backup, ISO 8601 with the offset of the server's zone, which follows from the two times that `details` has;
 * undefined where they do not belong together.
 */
export function timeOfServerDetails({ id, createdAtMs }: ServerDetails): string | undefined {
  const localMs = idAsUtcMs(id);
  if (localMs === undefined) return undefined;
  const minutes = (localMs - Math.floor(createdAtMs / 60_000) * 60_000) / 60_000;
  const offset = Math.round(minutes / ZONE_STEP_MINUTES) * ZONE_STEP_MINUTES;
  // The server reads its clock twice: a minute may have ended in between.
  if (offset - minutes > 1 || offset < minutes || offset > ZONE_MINUTES_MAX || offset < ZONE_MINUTES_MIN)
    return undefined;
  const local = new Date(createdAtMs + offset * 60_000).toISOString().slice(0, -1);
  const two = (value: number): string => String(Math.floor(Math.abs(value))).padStart(2, '0');
  return `${local}${offset < 0 ? '-' : '+'}${two(offset / 60)}:${two(offset % 60)}`;
}
