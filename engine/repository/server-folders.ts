/**
 * Which folders a server's own database or settings name, and where they lie here. The database is captured like any other
 * one first: only the private image is opened.
 */

import { rm } from 'node:fs/promises';
import { posix } from 'node:path';
import { errorMessage, isEngineError } from '../base/errors.ts';
import { PROFILE_VALUES_MAX } from '../base/limits.ts';
import { baseName, isWithin, parentPath } from '../base/paths.ts';
import { createSqliteCapturer, type SqliteCapturer } from '../databases/sqlite.ts';
import { type RowValue, readRows } from '../databases/sqlite-rows.ts';
import type { FoundFolder } from '../profiles/plan-context.ts';
import {
  below,
  isSeen,
  type Recognised,
  type RecognisedPart,
  recognisePart,
  withoutContained,
} from '../profiles/recognise.ts';
import type { Column, NamedFolder } from '../profiles/types.ts';
import { makeScratchFolder } from './scratch-folders.ts';
import type { DiskView } from './server-view.ts';
import type { Coverage } from './source-coverage.ts';

export interface ReadServer {
  /** With the parts that its database or settings name; folders are where the backup comes to them, if it does. */
  readonly recognised: Recognised;
  readonly folders: readonly FoundFolder[];
  /** Databases that cannot be captured as they are now. */
  readonly unread: readonly Buffer[];
  /** What could not be read. */
  readonly warnings: readonly string[];
}

export interface ReadOptions {
  readonly scratchParent: string;
  readonly view: DiskView;
  /** Absolute source paths, and what a backup of them comes to. */
  readonly sources: readonly Buffer[];
  readonly coverage: Coverage;
  readonly signal?: AbortSignal | undefined;
}

export type ColumnRule = Extract<NamedFolder, Column>;

interface SaidFolder {
  readonly rule: NamedFolder;
  readonly said: string;
}

/** Each server once, though a part of it was found by itself, too. INTERRUPTED after the signal. */
export async function readServers(found: readonly Recognised[], options: ReadOptions): Promise<ReadServer[]> {
  const read: ReadServer[] = [];
  for (const one of found) {
    const lead = leadOf(one, options);
    const others = found.filter(
      (other) => other.profile === one.profile && lead?.equals(leadOf(other, options) ?? lead) === false,
    );
    const taken = others.flatMap(({ parts }) => parts.map(({ folder }) => options.coverage.walked(folder)));
    read.push(await readServer(one, { ...options, taken }));
  }
  const whole = withoutContained(read.map(({ recognised }) => recognised));
  return read.filter(({ recognised }) => whole.includes(recognised));
}

function leadOf({ parts: [lead] }: Recognised, { coverage }: ReadOptions): Buffer | undefined {
  return lead === undefined ? undefined : coverage.walked(lead.folder);
}

interface ReadOneOptions extends ReadOptions {
  /** Parts of other servers of its kind. */
  readonly taken: readonly Buffer[];
}

async function readServer(found: Recognised, options: ReadOneOptions): Promise<ReadServer> {
  const { profile, parts } = found;
  const { view, coverage } = options;
  const { said, warnings, unread } = await readColumns(found, options);
  const folders = [...settingsOf(found, view), ...said].map((one): FoundFolder => {
    const path = placeOf(one, found, options);
    return { ...one, path: path === undefined ? undefined : coverage.walked(path) };
  });
  const named = folders.flatMap(({ rule, path }) => {
    const part = profile.parts.find(({ name }) => name === rule.isPart);
    return part === undefined || path === undefined ? [] : (recognisePart(part, path, view) ?? []);
  });
  // What the database names holds, whatever lies beside the rest.
  const others = parts.filter(({ part }) => !named.some((one) => one.part.name === part.name));
  const elsewhere = partsAmongSources(found, [...others, ...named], options);
  const located = [...others, ...named, ...elsewhere].map((one) => ({ ...one, folder: coverage.walked(one.folder) }));
  const recognised = { profile, folder: coverage.walked(found.folder), parts: located };
  return { recognised, folders, warnings, unread: unread.map(coverage.walked) };
}

/** Parts that lie nowhere near the rest, but are sources of their own: of each the one that plainly is it. */
function partsAmongSources(
  { profile }: Recognised,
  known: readonly RecognisedPart[],
  { sources: named, coverage, view, taken }: ReadOneOptions,
): RecognisedPart[] {
  // One that is named twice is one.
  const sources = [...new Map(named.map((path) => [coverage.walked(path).toString('latin1'), path])).values()];
  return profile.parts.flatMap((part) => {
    if (known.some((one) => one.part === part)) return [];
    const isTaken = (source: Buffer): boolean =>
      known.some(({ folder }) => folder.equals(source)) ||
      taken.some((folder) => folder.equals(coverage.walked(source)));
    const fitting = sources.filter((source) => !isTaken(source)).flatMap((one) => recognisePart(part, one, view) ?? []);
    const [found, ...others] = fitting.filter((one) => isPlain(one, view));
    return found === undefined || others.length > 0 ? [] : [found];
  });
}

function isPlain({ part, folder, seen }: RecognisedPart, view: DiskView): boolean {
  const plain = part.apart === undefined ? seen : part.apart.filter((sign) => isSeen(sign, folder, view));
  return plain.length > 1 || (part.apart === undefined && plain.some(({ kind }) => kind === 'sqlite'));
}

// ---- settings

function settingsOf({ profile, parts }: Recognised, view: DiskView): SaidFolder[] {
  return profile.folders.flatMap((rule) => {
    const part = parts.find((one) => one.part.name === rule.part);
    if (part === undefined || !('file' in rule)) return [];
    const file = below(part.folder, rule.file);
    const said = hostPath(view.settingOf(file, rule.setting), parentPath(file));
    return said === undefined ? [] : [{ rule, said }];
  });
}

/** Undefined for what is no path but the name of a volume, and for a path in somebody's home. */
function hostPath(value: string | undefined, folder: Buffer): string | undefined {
  if (value === undefined || !/^(?:\/|\.{1,2}(?:\/|$))/.test(value)) return undefined;
  return posix.resolve(folder.toString('utf8'), value);
}

// ---- databases

interface ReadColumns {
  readonly said: readonly SaidFolder[];
  readonly warnings: readonly string[];
  readonly unread: readonly Buffer[];
}

async function readColumns(found: Recognised, options: ReadOptions): Promise<ReadColumns> {
  const { profile, parts } = found;
  const databases = [...rulesByDatabase(profile.folders, parts).values(), ...otherDatabases(found, options.view)];
  if (databases.length === 0) return { said: [], warnings: [], unread: [] };
  const scratchDirectory = makeScratchFolder(options.scratchParent);
  const capturer = createSqliteCapturer({ scratchDirectory, signal: options.signal });
  const said: SaidFolder[] = [];
  const warnings: string[] = [];
  const unread: Buffer[] = [];
  try {
    for (const { path, rules } of databases) {
      const failed = (error: unknown): void => {
        if (!isEngineError(error, 'DATABASE_FAILED')) throw error;
        if (rules.length === 0) return;
        const why = errorMessage(error);
        warnings.push(`${profile.title}: which folders it uses cannot be read from its database: ${why}`);
      };
      const names = await readNames(capturer, path, { rules, signal: options.signal, failed });
      if (names === undefined) unread.push(path);
      else said.push(...names);
    }
  } finally {
    await capturer.close();
    await rm(scratchDirectory, { recursive: true, force: true });
  }
  return { said, warnings, unread };
}

/** Those that name no folder, of a server whose own backups lie here: a damaged database is no reason to go without these. */
function otherDatabases({ profile, parts }: Recognised, view: DiskView): DatabaseRules[] {
  const hasBackups = parts.some(({ part, folder }) =>
    part.paths.some(({ role, path }) => role === 'backups' && view.kindOf(below(folder, path)) === 'folder'),
  );
  if (!hasBackups) return [];
  const known = rulesByDatabase(profile.folders, parts);
  return parts.flatMap(({ part, folder }) =>
    part.databases.flatMap((rule): DatabaseRules[] => {
      if (rule.path === undefined || rule.rebuildable === true) return [];
      const path = below(folder, rule.path);
      const isThere = view.kindOf(path) !== undefined;
      return isThere && !known.has(path.toString('latin1')) ? [{ path, rules: [] }] : [];
    }),
  );
}

interface DatabaseRules {
  readonly path: Buffer;
  readonly rules: ColumnRule[];
}

function rulesByDatabase(rules: readonly NamedFolder[], parts: readonly RecognisedPart[]): Map<string, DatabaseRules> {
  const found = new Map<string, DatabaseRules>();
  for (const rule of rules) {
    const part = parts.find((one) => one.part.name === rule.part);
    if (part === undefined || 'file' in rule) continue;
    const path = below(part.folder, rule.database);
    const entry = found.get(path.toString('latin1')) ?? { path, rules: [] };
    entry.rules.push(rule);
    found.set(path.toString('latin1'), entry);
  }
  return found;
}

/** Undefined where the database cannot be captured. */

async function readNames(
  capturer: SqliteCapturer,
  path: Buffer,
  options: {
    readonly rules: readonly ColumnRule[];
    readonly signal: AbortSignal | undefined;
    /** Told of each rule whose column is not there, say. */
    readonly failed: (error: unknown) => void;
  },
): Promise<SaidFolder[] | undefined> {
  const outcome = await capturer.capture(path).catch(options.failed);
  if (outcome?.kind !== 'captured') return undefined;
  const { imagePath: image } = outcome.capture;
  const names: SaidFolder[] = [];
  try {
    for (const rule of options.rules) {
      try {
        for await (const rows of readRows({ image, ...selectOf(rule) }, options.signal)) {
          for (const [value] of rows) names.push(...nameOf(value, rule));
        }
      } catch (error) {
        options.failed(error);
      }
    }
  } finally {
    for (const suffix of ['', '-wal', '-shm']) await rm(`${image}${suffix}`, { force: true });
  }
  return names;
}

function nameOf(value: RowValue | undefined, rule: ColumnRule): SaidFolder[] {
  const said = typeof value === 'string' ? pathSaid(value, rule) : undefined;
  return said === undefined ? [] : [{ rule, said }];
}

/** What reads the values of a rule's column. */
export function selectOf(rule: ColumnRule): { readonly sql: string; readonly parameters: (string | number)[] } {
  const column = quoted(rule.column);
  const value =
    rule.member === undefined
      ? column
      : `CASE WHEN json_valid(${column}) THEN json_extract(${column}, '$."${rule.member}"') END`;
  const where = rule.where === undefined ? '' : ` WHERE ${quoted(rule.where.column)} = ?`;
  return {
    sql: `SELECT DISTINCT CAST(${value} AS TEXT) FROM ${quoted(rule.table)}${where} LIMIT ${PROFILE_VALUES_MAX}`,
    parameters: rule.where === undefined ? [] : [rule.where.equals],
  };
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Undefined for what is no absolute path: a setting that was never made, one of another system. */
export function pathSaid(value: string, rule: ColumnRule): string | undefined {
  const path = rule.form === 'url' ? pathOfUrl(value) : value;
  if (path === undefined || !path.startsWith('/') || path.includes('\0')) return undefined;
  return path.replace(/(?!^)\/+$/, '');
}

function pathOfUrl(value: string): string | undefined {
  try {
    return decodeURIComponent(new URL(value).pathname);
  } catch {
    return undefined;
  }
}

// ---- places

/** Where a folder lies here that the server knows by this path, which may be one of its container's. */
function placeOf({ rule, said }: SaidFolder, { profile, parts }: Recognised, options: ReadOptions): Buffer | undefined {
  const { view, sources } = options;
  const path = Buffer.from(said);
  const isFolder = (candidate: Buffer): boolean => view.kindOf(candidate) === 'folder';
  if ('file' in rule) return isFolder(path) ? path : undefined;
  const inParts = parts.flatMap(({ part, folder }) =>
    part.container === undefined || !isWithin(path, Buffer.from(part.container))
      ? []
      : [below(folder, said.slice(part.container.length + 1))],
  );
  const found = [...inParts.reverse(), path].find(isFolder);
  const part = profile.parts.find(({ name }) => name === rule.isPart);
  if (found !== undefined || part === undefined) return found;
  // What a container calls /books is likely the source of that name, if it looks like that part.
  const isAlike = (source: Buffer): boolean => baseName(source).equals(baseName(path));
  return sources.find((source) => isAlike(source) && recognisePart(part, source, view) !== undefined);
}
