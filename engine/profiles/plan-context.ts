/** What a plan goes by: the sources, what the snapshot gets, and what was found on the disk. */

import { below, type FolderView, type Recognised, type RecognisedPart } from './recognise.ts';
import type { DatabaseKind, DatabaseRule, NamedFolder } from './types.ts';

/** A folder that the server's database or settings name. */
export interface FoundFolder {
  readonly rule: NamedFolder;
  /** As the server sees it. */
  readonly said: string;
  /** Where it lies here; undefined where nothing lies there. */
  readonly path: Buffer | undefined;
}

/** A dump that the snapshot gets. */
export interface RequestedDump {
  readonly kind: DatabaseKind;
  /** Undefined for all databases of a server. */
  readonly name: string | undefined;
}

export interface PlanContext {
  readonly folders: readonly FoundFolder[];
  /** Absolute source paths. */
  readonly sources: readonly Buffer[];
  /** True for a path that a backup of the sources comes to. */
  readonly covers: (path: Buffer) => boolean;
  readonly view: FolderView;
  /** Of all servers that are known here: what holds one of these is never left out. */
  readonly precious: readonly Buffer[];
  /** Of all servers, folders in which any name may be that of a book: nothing right in one of these is left out. */
  readonly libraries: readonly Buffer[];
  readonly dumps: readonly RequestedDump[];
  /** True for a SQLite file that the snapshot gets as a database, whole. */
  readonly captures: (path: Buffer) => boolean;
}

/** True where a dump of this very database is asked for, as far as its name tells. */
export function isDumped({ kind, name: usual }: DatabaseRule, dumps: readonly RequestedDump[]): boolean {
  return dumps.some((dump) => dump.kind === kind && (dump.name === undefined || dump.name === usual));
}

/** True where the snapshot gets every database that the server has, so that its own backups add nothing. */
export function hasAllDatabases({ parts }: Recognised, context: PlanContext): boolean {
  return parts.every(({ part, folder }) => part.databases.every((rule) => isInSnapshot(rule, folder, context)));
}

function isInSnapshot(rule: DatabaseRule, folder: Buffer, context: PlanContext): boolean {
  if (rule.rebuildable === true) return true;
  if (rule.path === undefined) return isDumped(rule, context.dumps);
  const path = below(folder, rule.path);
  if (context.view.kindOf(path) === undefined) return true;
  return context.captures(path);
}

/** True where the snapshot gets a dump of every database that a part keeps in a server. */
export function hasDumps({ part }: RecognisedPart, { dumps }: PlanContext): boolean {
  const kept = part.databases.filter(({ path }) => path === undefined);
  return kept.length > 0 && kept.every((rule) => isDumped(rule, dumps));
}
