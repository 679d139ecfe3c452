/**
 * What a profile means for a backup of some sources: databases, what stays out, what a person should know. Pure, and the
 * same for `profiles detect` and a backup.
 */

import { isWithin, parentPath } from '../base/paths.ts';
import { type FoundFolder, hasAllDatabases, hasDumps, type PlanContext } from './plan-context.ts';
import { below, type FolderView, isSeen, type Recognised, type RecognisedPart } from './recognise.ts';
import type { DatabaseRule, PathRule } from './types.ts';
import { warningsOf } from './warnings.ts';

export interface PlannedDatabase {
  readonly path: Buffer;
  readonly rule: DatabaseRule;
}

/** A pattern below a folder, in gitignore's terms; with `isKept` it is taken back from one before it. */
export interface PlannedExclusion {
  readonly folder: Buffer;
  readonly pattern: string;
  readonly isKept: boolean;
  /** It counts only where the dumps are in the snapshot that were asked for. */
  readonly isForDump: boolean;
  readonly why: string;
}

export interface PlannedPath {
  readonly path: Buffer;
  readonly rule: PathRule;
  readonly isLeftOut: boolean;
}

export interface ProfilePlan {
  /** SQLite files, in the order in which they are captured. */
  readonly databases: readonly PlannedDatabase[];
  readonly exclusions: readonly PlannedExclusion[];
  /** What is there of what the profile knows. */
  readonly paths: readonly PlannedPath[];
  readonly warnings: readonly string[];
}

export function planProfile(recognised: Recognised, context: PlanContext): ProfilePlan {
  const { view } = context;
  const hasDatabases = hasAllDatabases(recognised, context);
  const databases = databasesOf(recognised, view);
  const { precious } = context;
  const isDumped = recognised.parts.some((found) => hasDumps(found, context));
  const exclusions: PlannedExclusion[] = [];
  const paths: PlannedPath[] = [];
  for (const found of recognised.parts) {
    for (const rule of found.part.paths) {
      const path = below(found.folder, rule.path);
      const isLeftOut =
        staysOut(rule, { hasDatabases, hasDumps: hasDumps(found, context) }) &&
        !covers(path, precious) &&
        !context.libraries.some((library) => library.equals(parentPath(path)));
      if (rule.path.includes('*') || view.kindOf(path) !== undefined) paths.push({ path, rule, isLeftOut });
      const isForDump = rule.role === 'server-files' || (rule.role === 'backups' && isDumped);
      if (isLeftOut) exclusions.push(...exclusionsOf(rule, found, view).map((one) => ({ ...one, isForDump })));
    }
  }
  for (const folder of context.folders) {
    const exclusion = folderExclusion(folder, { hasDatabases, isDumped, context });
    if (exclusion !== undefined) exclusions.push({ ...exclusion, isForDump: isDumped });
  }
  return { databases, exclusions, paths, warnings: warningsOf(recognised, context) };
}

function staysOut({ role }: PathRule, has: { readonly hasDatabases: boolean; readonly hasDumps: boolean }): boolean {
  if (role === 'backups') return has.hasDatabases;
  if (role === 'server-files') return has.hasDumps;
  return role === 'rebuildable';
}

function databasesOf({ parts }: Recognised, view: FolderView): PlannedDatabase[] {
  return parts.flatMap(({ part, folder }) =>
    part.databases.flatMap((rule) => {
      if (rule.path === undefined) return [];
      const path = below(folder, rule.path);
      return view.kindOf(path) === 'sqlite' ? [{ path, rule }] : [];
    }),
  );
}

/** Whatever somebody put where something else is usually left out: a library in a folder for backups, say. */
export function preciousPaths(
  recognised: Recognised,
  folders: readonly FoundFolder[],
  view: FolderView,
): readonly Buffer[] {
  const databases = databasesOf(recognised, view).filter(({ rule }) => rule.rebuildable !== true);
  return [
    ...recognised.parts.map(({ folder }) => folder),
    ...databases.map(({ path }) => path),
    ...foldersOfBooks(folders).map(({ path }) => path),
  ];
}

/** Folders of books, whose names are people's own. */
export function libraryPaths({ parts }: Recognised, folders: readonly FoundFolder[]): readonly Buffer[] {
  return [
    ...parts.flatMap(({ part, folder }) => (part.isLibrary === true ? [folder] : [])),
    // Of a part the part itself says what it is.
    ...foldersOfBooks(folders).flatMap(({ rule, path }) => (rule.isPart === undefined ? [path] : [])),
  ];
}

function foldersOfBooks(folders: readonly FoundFolder[]): (FoundFolder & { readonly path: Buffer })[] {
  return folders.flatMap((one) =>
    one.rule.use === 'library' && one.path !== undefined ? [{ ...one, path: one.path }] : [],
  );
}

function covers(path: Buffer, precious: readonly Buffer[]): boolean {
  return precious.some((one) => isWithin(one, path));
}

type Exclusion = Omit<PlannedExclusion, 'isForDump'>;

function exclusionsOf(rule: PathRule, { folder }: RecognisedPart, view: FolderView): Exclusion[] {
  const why = rule.what;
  if (rule.keeps === undefined) {
    // Of a folder, not of a link to one, which the server does not make again.
    const end = view.kindOf(below(folder, rule.path)) === 'folder' ? '/' : '';
    return [{ folder, pattern: `${rule.path}${end}`, isKept: false, why }];
  }
  const kept = rule.keeps.map((name) => ({ folder, pattern: `${rule.path}/${name}`, isKept: true, why }));
  return [{ folder, pattern: `${rule.path}/*`, isKept: false, why }, ...kept];
}

function folderExclusion(
  { rule, path }: FoundFolder,
  facts: {
    readonly hasDatabases: boolean;
    readonly isDumped: boolean;
    readonly context: PlanContext;
  },
): Exclusion | undefined {
  if (path === undefined) return undefined;
  const why = rule.what;
  if (rule.use === 'backups') {
    // Only the backups themselves: whoever keeps them in a folder with other things loses none of those.
    if (!facts.hasDatabases || rule.leftOut === undefined) return undefined;
    return { folder: path, pattern: rule.leftOut, isKept: false, why };
  }
  if (rule.use !== 'server-files' || !facts.isDumped || covers(path, facts.context.precious)) return undefined;
  const isWhatItSays = rule.signs?.every((sign) => isSeen(sign, path, facts.context.view)) === true;
  return isWhatItSays ? { folder: path, pattern: '*', isKept: false, why } : undefined;
}
