/** Applies profiles: what they know of the servers whose folders the sources are becomes options of the run. */

import { join } from 'node:path';
import { pathText } from '../../filesystem/patterns.ts';
import { PROFILES, profileNamed } from '../../profiles/all.ts';
import { type PlannedExclusion, planProfile } from '../../profiles/plan.ts';
import type { Recognised } from '../../profiles/recognise.ts';
import type { Profile } from '../../profiles/types.ts';
import type { Repository } from '../../repository/repository.ts';
import { DISK_VIEW, findServers, readServer } from '../../repository/server-finder.ts';
import type { AppliedProfile, BackupOptions, RunOptions } from './options.ts';
import type { RunContext } from './run-context.ts';

/**
 * The options with what the profiles that were named make of them. Servers that nobody named are mentioned.
 * INVALID_ARGUMENT for a profile that there is not; INTERRUPTED after the signal.
 */
export async function applyProfiles(repository: Repository, options: BackupOptions): Promise<RunOptions> {
  const { paths, monitor, signal } = options;
  const wanted = [...new Set(options.profiles ?? [])].map(profileNamed);
  if (options.stdin !== undefined || (wanted.length === 0 && monitor?.note === undefined)) {
    return { ...options, applied: [] };
  }
  const found = findServers(paths, PROFILES);
  mentionOthers(found, wanted, options);
  const applied: AppliedProfile[] = [];
  for (const one of serversOf(found, wanted, paths)) {
    const read = await readServer(one, { scratchParent: join(repository.cacheDirectory, 'scratch'), signal });
    applied.push(applyOne(read.recognised, { ...read, paths }));
  }
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

function mentionOthers(found: readonly Recognised[], wanted: readonly Profile[], { monitor }: BackupOptions): void {
  if (wanted.length > 0) return;
  for (const { profile, folder } of found) {
    monitor?.note?.(
      `${folder.toString('utf8')} looks like ${profile.title}: with --profile ${profile.name} its databases are captured together, what it makes again by itself is left out, and its library is checked`,
    );
  }
}

function applyOne(
  recognised: Recognised,
  about: Omit<Awaited<ReturnType<typeof readServer>>, 'recognised'> & { readonly paths: readonly Buffer[] },
): AppliedProfile {
  const { profile, folder, parts } = recognised;
  const plan = planProfile(recognised, {
    folders: about.folders,
    sources: about.paths,
    view: DISK_VIEW,
    dumped: new Set(),
  });
  return {
    name: profile.name,
    folder,
    parts: parts.map((found) => ({ name: found.part.name, folder: found.folder })),
    folders: about.folders.map(({ said, path }) => ({ said, path })),
    excludes: plan.exclusions.map(patternOf),
    databases: plan.databases.map(({ path, rule }) => ({ path, moment: rule.moment })),
    warnings: [...about.warnings, ...plan.warnings],
  };
}

/** As a pattern of the whole path; what the folder's own name holds is no pattern. */
function patternOf({ folder, pattern, isKept }: PlannedExclusion): string {
  const literal = pathText(folder).replace(/[\\*?[\]]/g, '\\$&');
  return `${isKept ? '!' : ''}${literal === '/' ? '' : literal}/${pattern}`;
}
