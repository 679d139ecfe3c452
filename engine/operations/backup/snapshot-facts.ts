/** Facts about a run that its snapshot records. */

import { createHash } from 'node:crypto';
import { userInfo } from 'node:os';
import { createOwnerNames } from '../../filesystem/owners.ts';
import type { JsonObject } from '../../format/canonical-json.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import type { BackupOptions } from './options.ts';
import { sourcePaths } from './parent.ts';

/** Names the journal of runs with the same sources. */
export function journalKey(options: BackupOptions): string {
  const hash = createHash('sha256');
  for (const path of sourcePaths(options)) hash.update(path).update('\0');
  // A database that was stored as a file is not to be taken over as one.
  if (options.databases === false) hash.update('no databases');
  return hash.digest('hex').slice(0, 24);
}

/** Options that decide what is in a snapshot. */
export function rulesJson(options: BackupOptions): JsonObject {
  return {
    excludes: [...(options.excludes ?? [])],
    caseInsensitiveExcludes: [...(options.caseInsensitiveExcludes ?? [])],
    excludeIfPresent: [...(options.excludeIfPresent ?? [])],
    excludeCaches: options.excludeCaches === true,
    excludeLargerThan: options.excludeLargerThan ?? null,
    oneFileSystem: options.oneFileSystem === true,
    databases: options.databases !== false,
  };
}

export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return '';
  }
}

/** ISO 8601 in local time with its offset. */
export function isoWithZone(date: Date): string {
  const offset = -date.getTimezoneOffset();
  const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, -1);
  const sign = offset < 0 ? '-' : '+';
  const two = (value: number): string => String(Math.floor(Math.abs(value))).padStart(2, '0');
  return `${local}${sign}${two(offset / 60)}:${two(offset % 60)}`;
}

/** Names of users and groups: those of the parent, and those of the ids that this run met. */
export function ownerNames(
  parent: Snapshot | undefined,
  met: { readonly uids: Iterable<number>; readonly gids: Iterable<number> },
): { readonly users: { [uid: string]: string }; readonly groups: { [gid: string]: string } } {
  const names = createOwnerNames();
  const users: { [uid: string]: string } = { ...parent?.users };
  const groups: { [gid: string]: string } = { ...parent?.groups };
  for (const id of met.uids) {
    const name = names.user(id);
    if (name !== undefined) users[String(id)] = name;
  }
  for (const id of met.gids) {
    const name = names.group(id);
    if (name !== undefined) groups[String(id)] = name;
  }
  return { users, groups };
}
