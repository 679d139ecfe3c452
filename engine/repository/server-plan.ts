/** What the profiles of found servers mean for a backup, with what is excluded in a backup's own terms. */

import { pathText } from '../filesystem/patterns.ts';
import { libraryPaths, type PlannedExclusion, type ProfilePlan, planProfile, preciousPaths } from '../profiles/plan.ts';
import type { RequestedDump } from '../profiles/plan-context.ts';
import type { Recognised } from '../profiles/recognise.ts';
import { type ReadServer, readServers } from './server-folders.ts';
import type { DiskView } from './server-view.ts';
import { coverageOf } from './source-coverage.ts';

export interface PlannedServer extends ReadServer {
  readonly plan: ProfilePlan;
  /** Patterns of what stays out. */
  readonly excludes: readonly string[];
  /** Those of them that count only where the dumps are in the snapshot that were asked for. */
  readonly dumpExcludes: readonly string[];
}

export interface ServerPlanOptions {
  /** Servers whose profiles are not applied: what is theirs stays in. */
  readonly others?: readonly Recognised[] | undefined;
  /** Absolute source paths. */
  readonly sources: readonly Buffer[];
  readonly oneFileSystem?: boolean | undefined;
  /** Dumps that the snapshot gets. */
  readonly dumps: readonly RequestedDump[];
  /** False where SQLite files are stored as files like any other. */
  readonly capturesDatabases: boolean;
  /** True for a file that somebody asked to be left out. */
  readonly isLeftOut?: ((path: Buffer) => boolean) | undefined;
  /** Private images of databases are made below it, and removed. */
  readonly scratchParent: string;
  readonly view: DiskView;
  readonly signal?: AbortSignal | undefined;
}

/** INTERRUPTED after the signal. */
export async function planServers(found: readonly Recognised[], options: ServerPlanOptions): Promise<PlannedServer[]> {
  const { sources, dumps, capturesDatabases, isLeftOut, view } = options;
  const coverage = coverageOf(sources, options);
  const servers = await readServers(found, { ...options, coverage });
  const others = (options.others ?? []).map((recognised) => ({ recognised, folders: [] }));
  // A folder of one server may lie in one that another server makes again.
  const all = [...servers, ...others];
  const precious = all.flatMap(({ recognised, folders }) => preciousPaths(recognised, folders, view));
  const libraries = all.flatMap(({ recognised, folders }) => libraryPaths(recognised, folders));
  return servers.map((server) => {
    const { folders, unread } = server;
    const { covers } = coverage;
    const isUnread = (path: Buffer): boolean => unread.some((one) => one.equals(path));
    const captures = (path: Buffer): boolean =>
      capturesDatabases && covers(path) && !isUnread(path) && isLeftOut?.(path) !== true;
    const plan = planProfile(server.recognised, {
      folders,
      sources,
      covers,
      view,
      precious,
      libraries,
      dumps,
      captures,
    });
    const dumpExcludes = plan.exclusions.filter(({ isForDump }) => isForDump).map(patternOf);
    return { ...server, plan, excludes: plan.exclusions.map(patternOf), dumpExcludes };
  });
}

/** As a pattern of the whole path; what the folder's own name holds is no pattern. */
function patternOf({ folder, pattern, isKept }: PlannedExclusion): string {
  const literal = pathText(folder).replace(/[\\*?[\]]/g, '\\$&');
  return `${isKept ? '!' : ''}${literal === '/' ? '' : literal}/${pattern}`;
}
