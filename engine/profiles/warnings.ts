/** What a person should know of a server's folders before they need the snapshot: what it lacks, and what to do about it. */

import { baseName } from '../base/paths.ts';
import { type FoundFolder, hasDumps, type PlanContext } from './plan-context.ts';
import { below, isSeen, type Recognised, type RecognisedPart } from './recognise.ts';
import type { DatabaseKind, DatabaseRule } from './types.ts';

const KIND_NAMES: { readonly [kind in DatabaseKind]: string } = {
  sqlite: 'SQLite',
  postgresql: 'Postgres',
  mariadb: 'MariaDB',
};

export function warningsOf(recognised: Recognised, context: PlanContext): string[] {
  const { profile, parts } = recognised;
  const { title } = profile;
  const warnings = parts.flatMap((found) => partWarnings(title, found, context));
  for (const part of profile.parts) {
    if (part.isOptional === true || parts.some((found) => found.part.name === part.name)) continue;
    // Of a part that a setting names the setting's own warning says more.
    if (context.folders.some(({ rule }) => rule.isPart === part.name)) continue;
    warnings.push(`${title}: ${part.what} was not found beside the rest: if it lies elsewhere, add it to the sources`);
  }
  const isDumped = parts.some((found) => hasDumps(found, context));
  for (const folder of context.folders) {
    const warning = folderWarning(title, folder, { ...context, isDumped });
    if (warning !== undefined) warnings.push(warning);
  }
  return [...new Set(warnings)];
}

function partWarnings(title: string, found: RecognisedPart, context: PlanContext): string[] {
  const { part, folder } = found;
  const { view, covers, dumps } = context;
  const isThere = (path: string): boolean => view.kindOf(below(folder, path)) !== undefined;
  const isAskedFor = (kind: DatabaseKind): boolean => dumps.some((dump) => dump.kind === kind);
  const warnings: string[] = [];
  if (part.isOptional !== true && !covers(folder)) {
    warnings.push(`${title}: ${part.what} (${text(folder)}) is not among the sources`);
  }
  for (const rule of part.databases) {
    if (rule.path === undefined && !isAskedFor(rule.kind)) warnings.push(dumpWarning(title, rule));
  }
  for (const rule of part.paths) {
    if (rule.role !== 'server-files' || !isThere(rule.path) || hasDumps(found, context)) continue;
    const path = below(folder, rule.path);
    if (covers(path)) warnings.push(serverFilesWarning(title, path, rule.what));
  }
  for (const { ifPresent, unlessPresent, unlessDumped = [], text: warning } of part.warnings ?? []) {
    if (ifPresent !== undefined && !isThere(ifPresent)) continue;
    if (unlessPresent !== undefined && isThere(unlessPresent)) continue;
    if (!unlessDumped.some(isAskedFor)) warnings.push(`${title}: ${warning}`);
  }
  return warnings;
}

const FLAGS: { readonly [kind in DatabaseKind]: string } = {
  sqlite: '',
  postgresql: '--postgres',
  mariadb: '--mariadb',
};

function dumpWarning(title: string, { what, kind }: DatabaseRule): string {
  return `${title} keeps ${what} in ${KIND_NAMES[kind]}: without a dump of that database in the snapshot (${FLAGS[kind]}) they are lost`;
}

function serverFilesWarning(title: string, path: Buffer, what: string): string {
  return `${title}: ${text(path)} holds ${what}, which are worth nothing as a copy: dump the database, and they are left out`;
}

function folderWarning(
  title: string,
  { rule, said, path }: FoundFolder,
  context: PlanContext & { readonly isDumped: boolean },
): string | undefined {
  const { sources, view, covers } = context;
  if (rule.use === 'server-files') {
    if (path === undefined || context.isDumped || !covers(path)) return undefined;
    if (rule.signs?.every((sign) => isSeen(sign, path, view)) !== true) return undefined;
    return serverFilesWarning(title, path, rule.what);
  }
  if (rule.use !== 'library' || (path !== undefined && covers(path))) return undefined;
  if (path !== undefined) {
    return `${title}: the ${rule.what} ${said}${text(path) === said ? '' : ` (${text(path)})`} is not among the sources`;
  }
  if ('file' in rule) return `${title}: the ${rule.what} ${said} that ${rule.file} names is not found here`;
  // A server in a container sees other paths: a folder of the same name is taken for it.
  const name = baseName(Buffer.from(said.replace(/\/+$/, '')));
  const isAlike = sources.some(
    (source) =>
      name.length > 0 && (baseName(source).equals(name) || view.kindOf(below(source, name.toString())) !== undefined),
  );
  if (isAlike) return undefined;
  return `${title}: the ${rule.what} ${said} is not found here (in a container a server sees other paths): see that it is among the sources`;
}

function text(path: Buffer): string {
  return path.toString('utf8');
}
