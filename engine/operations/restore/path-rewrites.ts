/**
 * What mappings mean for the databases of a server that is restored: tried on private images before anything is written, so
 * that a plan names each column and count, and what would fail fails before it can do harm.
 */

import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { EngineError, errorMessage, isEngineError } from '../../base/errors.ts';
import { PATH_MAPPINGS_MAX } from '../../base/limits.ts';
import { isWithin } from '../../base/paths.ts';
import type { PathRule } from '../../databases/path-values.ts';
import { type PathColumnRequest, type PathsReport, rewritePaths } from '../../databases/sqlite-paths.ts';
import { below } from '../../profiles/recognise.ts';
import type { DatabaseRule, PathColumn } from '../../profiles/types.ts';
import type { SnapshotServer } from '../../repository/snapshot-servers.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import type { DatabaseImages } from './database-images.ts';
import type { PathMapping } from './places.ts';

/** What becomes of one database on its way into its place. */
export interface DatabaseRewrite {
  readonly columns: readonly PathColumnRequest[];
  readonly rules: readonly PathRule[];
  /** Stands beside the snapshot's row where it is remembered what was restored: this is not the snapshot's content. */
  readonly mark: Buffer;
}

/** By the path of the database in the snapshot, as latin1 text. */
export type DatabaseRewrites = ReadonlyMap<string, DatabaseRewrite>;

export interface SurveyedDatabase {
  /** In the snapshot. */
  readonly path: Buffer;
  readonly report: PathsReport;
}

export interface RewritePlan {
  readonly rewrites: DatabaseRewrites;
  /** Every database of the server that was looked at. */
  readonly surveyed: readonly SurveyedDatabase[];
  /** Databases with columns of paths that the snapshot holds as plain files: logs may lie beside them, so they stay as they are. */
  readonly plain: readonly Buffer[];
  /** Databases of no server that is known, beside its files, that cannot be looked into: nothing in them would be rewritten. */
  readonly unread: readonly Buffer[];
  /** By mapping: whether a path in a database fits it. */
  readonly isUsed: readonly boolean[];
}

export const NO_REWRITES: RewritePlan = { rewrites: new Map(), surveyed: [], plain: [], unread: [], isUsed: [] };

export interface SurveyRequest {
  readonly snapshot: Snapshot;
  readonly server: SnapshotServer;
  /** Folders of the snapshot that are restored. */
  readonly paths: readonly Buffer[];
  /** Without doubled slashes and slashes at the end. */
  readonly mappings: readonly PathMapping[];
  readonly images: DatabaseImages;
  readonly signal: AbortSignal | undefined;
}

/**
 * DATABASE_FAILED where the paths of a database cannot be rewritten, with its path; INVALID_ARGUMENT for a mapping to what no
 * text can say. A database that the server makes again by itself is not looked at.
 */
export async function surveyPaths(request: SurveyRequest): Promise<RewritePlan> {
  const { snapshot, server, paths, mappings, images, signal } = request;
  const rules = rulesOf(mappings);
  if (rules.length === 0) return { ...NO_REWRITES, isUsed: mappings.map(() => false) };
  const rewrites = new Map<string, DatabaseRewrite>();
  const surveyed: SurveyedDatabase[] = [];
  const unread: Buffer[] = [];
  const used = new Set<number>();
  for (const { path, kind } of snapshot.databases) {
    if (kind !== 'sqlite' || !paths.some((one) => isWithin(path, one)) || ruleOf(server, path)?.rebuildable === true)
      continue;
    const columns = columnsOf(server, path);
    const report = await images.use(path, ({ image, scratchDirectory }) =>
      tryOut(
        { image: Buffer.from(image), columns, rules: rules.map(({ rule }) => rule), scratchDirectory },
        path,
        signal,
      ).catch((error: unknown) => {
        if (columns.length > 0 || !isEngineError(error, 'DATABASE_FAILED')) throw error;
        unread.push(path);
        return undefined;
      }),
    );
    if (report === undefined) continue;
    for (const [at, uses] of report.uses.entries()) if (uses > 0) used.add(rules[at]?.mapping ?? -1);
    surveyed.push({ path, report: withoutVersions(report, columns) });
    if (report.uses.every((uses) => uses === 0)) continue;
    rewrites.set(
      path.toString('latin1'),
      rewriteOf(
        columns,
        rules.map(({ rule }) => rule),
      ),
    );
  }
  const plain = await plainDatabases(server, images);
  return { rewrites, surveyed, plain, unread, isUsed: mappings.map((_, at) => used.has(at)) };
}

async function plainDatabases({ profile, parts }: SnapshotServer, images: DatabaseImages): Promise<Buffer[]> {
  const paths = parts.flatMap(({ part, folder }) => {
    const own = profile.pathColumns.filter((column) => column.part === part.name);
    return [...new Set(own.map(({ database }) => database))].map((database) => below(folder, database));
  });
  const plain: Buffer[] = [];
  for (const path of paths) if ((await images.kindOf(path)) === 'plain') plain.push(path);
  return plain;
}

async function tryOut(
  request: Parameters<typeof rewritePaths>[0],
  path: Buffer,
  signal: AbortSignal | undefined,
): Promise<PathsReport> {
  try {
    return await rewritePaths(request, { signal });
  } catch (error) {
    if (!isEngineError(error, 'DATABASE_FAILED')) throw error;
    throw new EngineError(
      'DATABASE_FAILED',
      `${path.toString('utf8')}: ${errorMessage(error)}. Nothing was changed; without --profile it is restored as it was saved`,
      error,
    );
  }
}

function rewriteOf(columns: readonly PathColumn[], rules: readonly PathRule[]): DatabaseRewrite {
  const requests = columns.map(({ table, column, form }) => ({ table, column, form }));
  const mark = createHash('sha256')
    .update(JSON.stringify([requests, rules]))
    .digest();
  return { columns: requests, rules, mark };
}

/** What only some versions of a server have is not missed. */
function withoutVersions(report: PathsReport, columns: readonly PathColumn[]): PathsReport {
  const isExpected = ({ table, column }: { readonly table: string; readonly column: string }): boolean =>
    columns.some((one) => one.table === table && one.column === column && one.someVersions !== true);
  return { ...report, missing: report.missing.filter(isExpected) };
}

function ruleOf({ parts }: SnapshotServer, path: Buffer): DatabaseRule | undefined {
  for (const { part, folder } of parts) {
    const found = part.databases.find((rule) => rule.path !== undefined && below(folder, rule.path).equals(path));
    if (found !== undefined) return found;
  }
  return undefined;
}

function columnsOf({ profile, parts }: SnapshotServer, path: Buffer): PathColumn[] {
  return profile.pathColumns.filter(({ part, database }) =>
    parts.some((one) => one.part.name === part && below(one.folder, database).equals(path)),
  );
}

/** Mappings as texts, with their numbers. What no text can say is no text in a database either. */
function rulesOf(mappings: readonly PathMapping[]): { readonly rule: PathRule; readonly mapping: number }[] {
  if (mappings.length > PATH_MAPPINGS_MAX) {
    throw new EngineError(
      'INVALID_ARGUMENT',
      `More than ${PATH_MAPPINGS_MAX} mappings cannot be rewritten in a database`,
    );
  }
  return mappings.flatMap(({ from, to }, mapping) => {
    if (!isUtf8(from) || from.equals(to)) return [];
    if (!isUtf8(to)) {
      throw new EngineError(
        'INVALID_ARGUMENT',
        `${to.toString('utf8')} is not UTF-8, and cannot stand in a database: map to another folder, or restore without --profile`,
      );
    }
    return [{ rule: { from: from.toString('utf8'), to: to.toString('utf8') }, mapping }];
  });
}
