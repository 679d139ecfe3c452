/** Says which servers' folders lie at a path, why it thinks so, and what a backup with their profiles would do. */

import { statSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, errnoCode } from '../../base/errors.ts';
import { PatternSet } from '../../filesystem/patterns.ts';
import { PROFILES } from '../../profiles/all.ts';
import type { PlannedDatabase, PlannedPath } from '../../profiles/plan.ts';
import type { FoundFolder } from '../../profiles/plan-context.ts';
import type { Recognised } from '../../profiles/recognise.ts';
import type { DatabaseRule, Sign } from '../../profiles/types.ts';
import { findServers } from '../../repository/server-finder.ts';
import { type PlannedServer, planServers } from '../../repository/server-plan.ts';
import { DiskView } from '../../repository/server-view.ts';

export interface DetectOptions {
  /** Absolute; looked at together, as the sources of a backup would be. */
  readonly paths: readonly Buffer[];
  /** Private images of databases are made below it, and removed. */
  readonly cacheDirectory: string;
  readonly signal?: AbortSignal | undefined;
}

export interface DetectedServer {
  readonly profile: string;
  readonly title: string;
  /** The server's folder. */
  readonly folder: Buffer;
  readonly parts: readonly { readonly name: string; readonly what: string; readonly folder: Buffer }[];
  /** Why it was recognised, in words. */
  readonly reasons: readonly string[];
  readonly databases: readonly PlannedDatabase[];
  /** Databases that it keeps in Postgres or MariaDB, of which a snapshot needs a dump. */
  readonly serverDatabases: readonly DatabaseRule[];
  /** What is there of what the profile knows, and what it is worth. */
  readonly paths: readonly PlannedPath[];
  /** Folders that its database or settings name. */
  readonly folders: readonly FoundFolder[];
  /** Patterns of what its profile leaves out, without any dump. */
  readonly excludes: readonly string[];
  readonly warnings: readonly string[];
  readonly advice: readonly string[];
}

/** PATH_NOT_FOUND where nothing lies at a path; INTERRUPTED after the signal. */
export async function detectServers(options: DetectOptions): Promise<DetectedServer[]> {
  const { paths, signal } = options;
  for (const path of paths) requireFolder(path);
  const view = new DiskView();
  const servers = await planServers(findServers(paths, PROFILES, { view }), {
    sources: paths,
    dumps: [],
    capturesDatabases: true,
    scratchParent: join(options.cacheDirectory, 'scratch'),
    view,
    signal,
  });
  return servers.map(detected);
}

function detected({ recognised, folders, warnings, plan, excludes }: PlannedServer): DetectedServer {
  const { profile, folder, parts } = recognised;
  const kept = parts.flatMap(({ part }) => part.databases.filter(({ path }) => path === undefined));
  return {
    profile: profile.name,
    title: profile.title,
    folder,
    parts: parts.map(({ part, folder: where }) => ({ name: part.name, what: part.what, folder: where })),
    reasons: reasonsOf(recognised, folders),
    databases: plan.databases,
    serverDatabases: kept.filter((rule, index) => kept.findIndex(({ kind }) => kind === rule.kind) === index),
    paths: plan.paths,
    folders,
    excludes,
    warnings: [...warnings, ...plan.warnings],
    advice: profile.advice,
  };
}

/** Those of some paths that the profiles of servers leave out. */
export function pathsLeftOut(servers: readonly DetectedServer[], paths: readonly Buffer[]): Buffer[] {
  const patterns = new PatternSet(servers.flatMap(({ excludes }) => excludes));
  return paths.filter((path) => patterns.matches(path, false));
}

function requireFolder(path: Buffer): void {
  const text = path.toString('utf8');
  try {
    if (statSync(path).isDirectory()) return;
  } catch (error) {
    const code = errnoCode(error);
    if (code === undefined) throw error;
    throw new EngineError('PATH_NOT_FOUND', `The folder ${text} cannot be looked into: ${code}`, error);
  }
  throw new EngineError('PATH_NOT_FOUND', `${text} is no folder`);
}

const KINDS: { readonly [kind in Sign['kind']]: string } = {
  sqlite: 'a SQLite database',
  folder: 'a folder',
  file: 'a file',
};

function reasonsOf({ parts }: Recognised, folders: readonly FoundFolder[]): string[] {
  return parts.map(({ part, folder, seen }) => {
    const where = folder.toString('utf8');
    const said = folders.find(({ rule, path }) => rule.isPart === part.name && path?.equals(folder) === true);
    if (said === undefined) return `${where} holds ${seen.map(signText).join(', ')}`;
    const { rule } = said;
    const place = 'file' in rule ? `${rule.file} (${rule.setting})` : `${rule.database} (${rule.table}.${rule.column})`;
    return `${where} is named in ${place}`;
  });
}

function signText({ path, kind, setting }: Sign): string {
  return `${path} (${KINDS[kind]}${setting === undefined ? '' : ` that sets ${setting}`})`;
}
