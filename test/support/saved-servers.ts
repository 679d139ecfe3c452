/** A backup with a profile, and what came of it. */

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { TestContext } from 'node:test';
import type { AppliedProfile, BackupOptions, BackupResult } from '../../engine/operations/backup/options.ts';
import { applyProfiles } from '../../engine/operations/backup/profiles.ts';
import { listEntries } from '../../engine/operations/list.ts';
import { type DetectedServer, detectServers } from '../../engine/operations/profiles/detect.ts';
import { Library } from './library.ts';

export interface Saved {
  readonly result: BackupResult;
  /** Files of the snapshot, relative to the source. */
  readonly files: readonly string[];
  readonly databases: readonly string[];
  readonly notes: readonly string[];
  readonly applied: AppliedProfile;
}

/** The profile has to be applied, once. */
export async function save(
  library: Library,
  profile: string,
  paths: readonly string[] = [library.source],
  options: Partial<BackupOptions> = {},
): Promise<Saved> {
  const notes: string[] = [];
  const result = await library.backup({
    profiles: [profile],
    paths: paths.map((path) => Buffer.from(path)),
    monitor: { note: (text) => notes.push(text) },
    ...options,
  });
  const files = await filesOf(library);
  const [applied, ...others] = result.profiles;
  assert.ok(applied !== undefined, 'the profile was applied');
  assert.deepEqual(others, []);
  assert.equal(applied.name, profile);
  const databases = result.databases.map(({ path }) => relative(library.source, path.toString()));
  return { result, files, databases, notes, applied };
}

/** What a backup leaves in, and is warned of, where the dumps that are asked for come about: no database server is needed. */
export async function saveAsDumped(
  library: Library,
  profile: string,
  options: Pick<BackupOptions, 'databaseServers'>,
): Promise<Pick<Saved, 'files' | 'applied'>> {
  const paths = [Buffer.from(library.source)];
  const run = await applyProfiles(library.repository, { paths, profiles: [profile], ...options });
  const [applied] = run.applied;
  assert.ok(applied !== undefined, 'the profile was applied');
  await library.backup({ paths, excludes: run.excludes });
  return { files: await filesOf(library), applied };
}

/** Files of the newest snapshot, relative to the source. */
export async function filesOf(library: Library): Promise<string[]> {
  const files: string[] = [];
  for await (const { path, node } of listEntries(library.repository, { snapshot: 'latest', recursive: true })) {
    if (node.type !== 'dir') files.push(relative(library.source, path.toString()));
  }
  return files;
}

export async function detected(library: Library, ...paths: readonly string[]): Promise<DetectedServer[]> {
  const { cacheDirectory } = library.repository;
  const found = await detectServers({ paths: paths.map((path) => Buffer.from(path)), cacheDirectory });
  const scratch = join(cacheDirectory, 'scratch');
  if (existsSync(scratch)) assert.deepEqual(readdirSync(scratch), [], 'no image is left behind');
  return found;
}

export async function made(t: TestContext): Promise<Library> {
  const library = await Library.make(t);
  mkdirSync(library.source);
  return library;
}
