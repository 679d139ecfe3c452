/** What the profiles of found servers mean for a backup, with what is excluded in a backup's own terms. */

import { pathText } from '../filesystem/patterns.ts';
import { type PlannedExclusion, type ProfilePlan, planProfile } from '../profiles/plan.ts';
import type { RequestedDump } from '../profiles/plan-context.ts';
import type { Recognised } from '../profiles/recognise.ts';
import { type ReadServer, readServers } from './server-folders.ts';
import type { DiskView } from './server-view.ts';
import { coverageOf } from './source-coverage.ts';

export interface PlannedServer extends ReadServer {
  readonly plan: ProfilePlan;
  /** Patterns of what stays out. */
  readonly excludes: readonly string[];
}

export interface ServerPlanOptions {
  /** Absolute source paths. */
  readonly sources: readonly Buffer[];
  readonly oneFileSystem?: boolean | undefined;
  /** Dumps that the snapshot gets. */
  readonly dumps: readonly RequestedDump[];
  /** False where SQLite files are stored as files like any other. */
  readonly capturesDatabases: boolean;
  /** Private images of databases are made below it, and removed. */
  readonly scratchParent: string;
  readonly view: DiskView;
  readonly signal?: AbortSignal | undefined;
}

/** INTERRUPTED after the signal. */
export async function planServers(found: readonly Recognised[], options: ServerPlanOptions): Promise<PlannedServer[]> {
  const { sources, dumps, capturesDatabases, view } = options;
  const coverage = coverageOf(sources, options);
  const servers = await readServers(found, { ...options, coverage });
  return servers.map((server) => {
    const { folders } = server;
    const { covers } = coverage;
    const plan = planProfile(server.recognised, { folders, sources, covers, view, dumps, capturesDatabases });
    return { ...server, plan, excludes: plan.exclusions.map(patternOf) };
  });
}

/** As a pattern of the whole path; what the folder's own name holds is no pattern. */
function patternOf({ folder, pattern, isKept }: PlannedExclusion): string {
  const literal = pathText(folder).replace(/[\\*?[\]]/g, '\\$&');
  return `${isKept ? '!' : ''}${literal === '/' ? '' : literal}/${pattern}`;
}
