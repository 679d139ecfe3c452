/** Says which servers' folders lie at a path, why it thinks so, and what a backup with their profiles would do. */

import { statSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, errnoCode } from '../../base/errors.ts';
import { PROFILES } from '../../profiles/all.ts';
import { type FoundFolder, type PlannedDatabase, type PlannedPath, planProfile } from '../../profiles/plan.ts';
import type { Recognised } from '../../profiles/recognise.ts';
import type { Sign } from '../../profiles/types.ts';
import { DISK_VIEW, findServers, readServer } from '../../repository/server-finder.ts';

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
  /** What is there of what the profile knows, and what it is worth. */
  readonly paths: readonly PlannedPath[];
  /** Folders that its database names. */
  readonly folders: readonly FoundFolder[];
  readonly warnings: readonly string[];
  readonly advice: readonly string[];
}

/** PATH_NOT_FOUND where nothing lies at a path; INTERRUPTED after the signal. */
export async function detectServers(options: DetectOptions): Promise<DetectedServer[]> {
  for (const path of options.paths) requireFolder(path);
  const scratchParent = join(options.cacheDirectory, 'scratch');
  const found: DetectedServer[] = [];
  for (const one of findServers(options.paths, PROFILES)) {
    const { recognised, folders, warnings } = await readServer(one, { scratchParent, signal: options.signal });
    const { profile, folder, parts } = recognised;
    const context = { folders, sources: options.paths, view: DISK_VIEW, dumped: new Set<never>() };
    const plan = planProfile(recognised, context);
    found.push({
      profile: profile.name,
      title: profile.title,
      folder,
      parts: parts.map(({ part, folder: where }) => ({ name: part.name, what: part.what, folder: where })),
      reasons: reasonsOf(recognised, folders),
      databases: plan.databases,
      paths: plan.paths,
      folders,
      warnings: [...warnings, ...plan.warnings],
      advice: profile.advice,
    });
  }
  return found;
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
    if (said !== undefined)
      return `${where} is named in ${said.rule.database} (${said.rule.table}.${said.rule.column})`;
    return `${where} holds ${seen.map(({ path, kind }) => `${path} (${KINDS[kind]})`).join(', ')}`;
  });
}
