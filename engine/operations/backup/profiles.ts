/** Applies profiles: what they know of the servers whose folders the sources are becomes options of the run. */

import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { PROFILE_MENTION_ENTRIES_MAX, PROFILE_MENTION_FOLDERS_MAX } from '../../base/limits.ts';
import { joinPath, parentPath } from '../../base/paths.ts';
import { parseServer } from '../../databases/server-address.ts';
import { PatternSet } from '../../filesystem/patterns.ts';
import { PROFILES, profileNamed } from '../../profiles/all.ts';
import type { RequestedDump } from '../../profiles/plan-context.ts';
import type { Recognised } from '../../profiles/recognise.ts';
import type { Profile } from '../../profiles/types.ts';
import type { Repository } from '../../repository/repository.ts';
import { findServers } from '../../repository/server-finder.ts';
import { type PlannedServer, planServers } from '../../repository/server-plan.ts';
import { DiskView } from '../../repository/server-view.ts';
import type { AppliedProfile, BackupOptions, RunOptions } from './options.ts';
import type { RunContext } from './run-context.ts';

/**
 * The options with what the profiles that were named make of them. Servers that nobody named are mentioned.
 * INVALID_ARGUMENT for a profile that there is not; INTERRUPTED after the signal.
 */
export async function applyProfiles(repository: Repository, options: BackupOptions): Promise<RunOptions> {
  const { paths, monitor, signal } = options;
  const wanted = [...new Set(options.profiles ?? [])].map(profileNamed);
  if (options.stdin !== undefined) return { ...options, applied: [] };
  if (wanted.length === 0) {
    mentionServers(options);
    return { ...options, applied: [] };
  }
  const view = new DiskView();
  const found = findServers(paths, PROFILES, { view });
  const servers = await planServers(serversOf(found, wanted, paths), {
    others: found.filter(({ profile }) => !wanted.includes(profile)),
    sources: paths,
    oneFileSystem: options.oneFileSystem,
    dumps: dumpsOf(options),
    capturesDatabases: options.databases !== false,
    isLeftOut: leftOutBy(options),
    scratchParent: join(repository.cacheDirectory, 'scratch'),
    view,
    signal,
  });
  const applied = servers.map(appliedProfile);
  for (const { name, folder, warnings } of applied) {
    monitor?.note?.(`${folder.toString('utf8')}: profile ${name} is applied`);
    for (const warning of warnings) monitor?.note?.(warning);
  }
  const leavesOutCaches = wanted.some((profile) => profile.leavesOutCaches === true);
  return {
    ...options,
    // What somebody asked for comes last, so that it can take back what a profile leaves out.
    excludes: [...new Set(applied.flatMap(({ excludes }) => excludes)), ...(options.excludes ?? [])],
    excludeCaches: options.excludeCaches === true || leavesOutCaches,
    applied,
  };
}

/** What the options leave out by themselves. A source that lies in what they leave out is taken for left out, too. */
function leftOutBy(options: BackupOptions): (path: Buffer) => boolean {
  const { excludes = [], caseInsensitiveExcludes = [], excludeIfPresent = [], excludeLargerThan } = options;
  const patterns = new PatternSet(excludes);
  const others = new PatternSet(caseInsensitiveExcludes, { caseInsensitive: true });
  const markers = [...excludeIfPresent, ...(options.excludeCaches === true ? ['CACHEDIR.TAG'] : [])];
  return (path) => {
    if (patterns.matches(path, false) || others.matches(path, false)) return true;
    if (excludeLargerThan !== undefined && sizeOf(path) > excludeLargerThan) return true;
    if (markers.length === 0) return false;
    for (let folder = parentPath(path); folder.length > 1; folder = parentPath(folder)) {
      if (markers.some((marker) => existsSync(joinPath(folder, Buffer.from(marker))))) return true;
    }
    return false;
  };
}

function sizeOf(path: Buffer): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function dumpsOf({ databaseServers = [] }: BackupOptions): RequestedDump[] {
  return databaseServers.map((server) => {
    const { kind, database } = parseServer(server);
    return { kind, name: database };
  });
}

/** What they are where a dump failed: the server's own dumps, and its files, may be all that there is of its rows. */
export function withoutDumpExcludes(options: RunOptions): RunOptions {
  const { applied, excludes = [], monitor } = options;
  if (applied.every(({ dumpExcludes }) => dumpExcludes.length === 0)) return options;
  monitor?.note?.("Since a dump failed, the server's own dumps and files are not left out");
  const own = new Set(applied.flatMap((one) => one.excludes)).size;
  const kept = applied.map((one) => ({
    ...one,
    excludes: one.excludes.filter((pattern) => !one.dumpExcludes.includes(pattern)),
    dumpExcludes: [],
  }));
  return {
    ...options,
    excludes: [...new Set(kept.flatMap((one) => one.excludes)), ...excludes.slice(own)],
    applied: kept,
  };
}

/** A problem for each profile that was named and whose server is not there: perhaps its disk is not. */
export function reportUnrecognised({ profiles, applied, paths }: RunOptions, context: RunContext): void {
  for (const name of new Set(profiles ?? [])) {
    const [first] = paths;
    if (first === undefined || applied.some((one) => one.name === name)) continue;
    const { title } = profileNamed(name);
    const message = `No folder of ${title} was recognised in the sources, so that its profile was not applied: "snap profiles detect" says what is`;
    context.problem(first, 'profile', 'PROFILE_NOT_RECOGNISED', message);
  }
}

/** A profile without parts fits wherever it is named. */
function serversOf(found: readonly Recognised[], wanted: readonly Profile[], paths: readonly Buffer[]): Recognised[] {
  const everywhere = wanted.filter(({ parts }) => parts.length === 0);
  return [
    ...found.filter(({ profile }) => wanted.includes(profile)),
    ...everywhere.flatMap((profile) => paths.map((folder) => ({ profile, folder, parts: [] }))),
  ];
}

/** A look at a few folders, and at no database: whoever has no server must not wait for those who have. */
function mentionServers({ paths, monitor }: BackupOptions): void {
  if (monitor?.note === undefined) return;
  const bounds = { folders: PROFILE_MENTION_FOLDERS_MAX, entries: PROFILE_MENTION_ENTRIES_MAX };
  for (const { profile, folder } of findServers(paths, PROFILES, { view: new DiskView(), bounds })) {
    const { name, title } = profile;
    monitor.note(
      `${folder.toString('utf8')} looks like ${title}: with --profile ${name} (in the configuration file: profiles) its databases are captured together, what it makes again by itself is left out, and its library is checked`,
    );
  }
}

function appliedProfile({ recognised, folders, warnings, plan, ...patterns }: PlannedServer): AppliedProfile {
  const { profile, folder, parts } = recognised;
  return {
    name: profile.name,
    folder,
    parts: parts.map((found) => ({ name: found.part.name, folder: found.folder })),
    folders: folders.map(({ said, path }) => ({ said, path })),
    excludes: patterns.excludes,
    dumpExcludes: patterns.dumpExcludes,
    databases: plan.databases.map(({ path, rule }) => ({ path, moment: rule.moment })),
    warnings: [...warnings, ...plan.warnings],
  };
}
