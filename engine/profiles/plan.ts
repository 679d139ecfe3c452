/**
 * What a profile means for a backup of some sources: databases, what stays out, what a person should know. Pure, and the
 * same for `profiles detect` and a backup.
 */

import { baseName, isWithin } from '../base/paths.ts';
import { below, type FolderView, type Recognised } from './recognise.ts';
import type { DatabaseKind, DatabaseRule, NamedFolder, PathRule } from './types.ts';

/** A folder that the server's database names. */
export interface FoundFolder {
  readonly rule: NamedFolder;
  /** As the server sees it. */
  readonly said: string;
  /** Where it lies here; undefined where nothing lies there. */
  readonly path: Buffer | undefined;
}

export interface PlannedDatabase {
  readonly path: Buffer;
  readonly rule: DatabaseRule;
}

/** A pattern below a folder, in gitignore's terms; with `isKept` it is taken back from one before it. */
export interface PlannedExclusion {
  readonly folder: Buffer;
  readonly pattern: string;
  readonly isKept: boolean;
  readonly why: string;
}

export interface PlannedPath {
  readonly path: Buffer;
  readonly rule: PathRule;
}

export interface ProfilePlan {
  /** SQLite files, in the order in which they are captured. */
  readonly databases: readonly PlannedDatabase[];
  readonly exclusions: readonly PlannedExclusion[];
  /** What is there of what the profile knows. */
  readonly paths: readonly PlannedPath[];
  readonly warnings: readonly string[];
}

export interface PlanContext {
  readonly folders: readonly FoundFolder[];
  /** Absolute source paths. */
  readonly sources: readonly Buffer[];
  readonly view: FolderView;
  /** Kinds of databases of which the snapshot gets a dump. */
  readonly dumped: ReadonlySet<DatabaseKind>;
}

export function planProfile(recognised: Recognised, context: PlanContext): ProfilePlan {
  const { view } = context;
  const databases: PlannedDatabase[] = [];
  const exclusions: PlannedExclusion[] = [];
  const paths: PlannedPath[] = [];
  for (const { part, folder } of recognised.parts) {
    for (const rule of part.databases) {
      if (rule.path === undefined) continue;
      const path = below(folder, rule.path);
      if (view.kindOf(path) === 'sqlite') databases.push({ path, rule });
    }
    for (const rule of part.paths) {
      const path = below(folder, rule.path);
      if (rule.path.includes('*') || view.kindOf(path) !== undefined) paths.push({ path, rule });
      exclusions.push(...exclusionsOf(rule, folder));
    }
  }
  exclusions.push(...context.folders.flatMap(backupsOf));
  return { databases, exclusions, paths, warnings: warningsOf(recognised, context) };
}

function exclusionsOf(rule: PathRule, folder: Buffer): PlannedExclusion[] {
  if (rule.role !== 'rebuildable' && rule.role !== 'backups') return [];
  const why = rule.what;
  if (rule.keeps === undefined) return [{ folder, pattern: rule.path, isKept: false, why }];
  const kept = rule.keeps.map((name) => ({ folder, pattern: `${rule.path}/${name}`, isKept: true, why }));
  return [{ folder, pattern: `${rule.path}/*`, isKept: false, why }, ...kept];
}

/** Only the backups themselves: whoever keeps them in a folder with other things loses none of those. */
function backupsOf({ rule, path }: FoundFolder): PlannedExclusion[] {
  if (rule.use !== 'backups' || rule.leftOut === undefined || path === undefined) return [];
  return [{ folder: path, pattern: rule.leftOut, isKept: false, why: rule.what }];
}

const KIND_NAMES: { readonly [kind in DatabaseKind]: string } = {
  sqlite: 'SQLite',
  postgresql: 'Postgres',
  mariadb: 'MariaDB',
};

function warningsOf({ profile, parts }: Recognised, context: PlanContext): string[] {
  const { view, sources, dumped } = context;
  const { title } = profile;
  const warnings: string[] = [];
  for (const { part, folder } of parts) {
    if (!isAmong(folder, sources)) {
      warnings.push(`${title}: ${part.what} (${text(folder)}) is not among the sources`);
    }
    for (const { what, kind, path } of part.databases) {
      if (path !== undefined || dumped.has(kind)) continue;
      const name = KIND_NAMES[kind];
      warnings.push(`${title} keeps ${what} in ${name}: without a dump of that database in the snapshot they are lost`);
    }
    for (const { ifPresent, unlessPresent, text: warning } of part.warnings ?? []) {
      if (ifPresent !== undefined && view.kindOf(below(folder, ifPresent)) === undefined) continue;
      if (unlessPresent !== undefined && view.kindOf(below(folder, unlessPresent)) !== undefined) continue;
      warnings.push(`${title}: ${warning}`);
    }
  }
  for (const part of profile.parts) {
    if (parts.some((found) => found.part.name === part.name)) continue;
    warnings.push(`${title}: ${part.what} was not found beside the rest: if it lies elsewhere, add it to the sources`);
  }
  for (const folder of context.folders) {
    const warning = folder.rule.use === 'library' ? folderWarning(title, folder, context) : undefined;
    if (warning !== undefined) warnings.push(warning);
  }
  return [...new Set(warnings)];
}

function folderWarning(title: string, { rule, said, path }: FoundFolder, context: PlanContext): string | undefined {
  const { sources, view } = context;
  if (path !== undefined && isAmong(path, sources)) return undefined;
  const name = baseName(Buffer.from(said.replace(/\/+$/, '')));
  if (path !== undefined) {
    return `${title}: the ${rule.what} ${said}${text(path) === said ? '' : ` (${text(path)})`} is not among the sources`;
  }
  // A server in a container sees other paths: a folder of the same name is taken for it.
  const isAlike = sources.some(
    (source) =>
      name.length > 0 && (baseName(source).equals(name) || view.kindOf(below(source, name.toString())) !== undefined),
  );
  if (isAlike) return undefined;
  return `${title}: the ${rule.what} ${said} is not found here (in a container a server sees other paths): see that it is among the sources`;
}

function isAmong(path: Buffer, sources: readonly Buffer[]): boolean {
  return sources.some((source) => isWithin(path, source));
}

function text(path: Buffer): string {
  return path.toString('utf8');
}
