/** Facts about a run that its snapshot records. */

import { createHash } from 'node:crypto';
import { createOwnerNames } from '../../filesystem/owners.ts';
import { bytesToJson, type Json, type JsonObject } from '../../format/canonical-json.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import type { AppliedProfile, BackupOptions, RunOptions } from './options.ts';
import { sourcePaths } from './parent.ts';

export { isoWithZone, userName } from '../../repository/run-facts.ts';

/** Names the journal of runs with the same sources. */
export function journalKey(options: BackupOptions): string {
  const hash = createHash('sha256');
  for (const path of sourcePaths(options)) hash.update(path).update('\0');
  // A database that was stored as a file is not to be taken over as one.
  if (options.databases === false) hash.update('no databases');
  return hash.digest('hex').slice(0, 24);
}

/** Options that decide what is in a snapshot. */
export function rulesJson(options: RunOptions): JsonObject {
  const asked = options.profiles ?? [];
  return {
    excludes: [...(options.excludes ?? [])],
    caseInsensitiveExcludes: [...(options.caseInsensitiveExcludes ?? [])],
    excludeIfPresent: [...(options.excludeIfPresent ?? [])],
    excludeCaches: options.excludeCaches === true,
    excludeLargerThan: options.excludeLargerThan ?? null,
    oneFileSystem: options.oneFileSystem === true,
    databases: options.databases !== false,
    ...(options.applied.length === 0 ? {} : { profiles: options.applied.map(profileJson) }),
    ...(asked.length === 0 ? {} : { profilesAsked: [...new Set(asked)] }),
  };
}

function profileJson({ name, folder, parts, folders, excludes }: AppliedProfile): JsonObject {
  return {
    name,
    folder: bytesToJson(folder),
    parts: Object.fromEntries(parts.map((part): [string, Json] => [part.name, bytesToJson(part.folder)])),
    folders: folders.map(({ said, path }) => ({ said, path: path === undefined ? null : bytesToJson(path) })),
    excludes: [...excludes],
  };
}

/**
 * What was asked for of a snapshot's rules. What a profile made of it depends on what lies where: a folder that is not
 * mounted must not make a run incomparable with the one before it.
 */
export function askedRules({ profilesAsked, profiles, ...rules }: JsonObject): JsonObject {
  const list = arrayOf(profiles).filter(
    (one): one is JsonObject => typeof one === 'object' && one !== null && !Array.isArray(one),
  );
  const derived = new Set(list.flatMap(({ excludes }) => arrayOf(excludes)));
  // Snapshots of older programs name only profiles that were applied.
  const names = profilesAsked === undefined ? list.map(({ name }) => name ?? null) : arrayOf(profilesAsked);
  return {
    ...rules,
    excludes: arrayOf(rules['excludes']).filter((pattern) => !derived.has(pattern)),
    profilesAsked: [...new Set(names)].sort(),
  };
}

function arrayOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
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
