/**
 * Looks for servers on this disk: which profiles fit the folders below a path, and which other folders a server's own
 * database names. That database is captured like any other one first: only the private image is opened.
 */

import { closeSync, opendirSync, openSync, readSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { errnoCode, errorMessage, isEngineError } from '../base/errors.ts';
import { PROFILE_DEPTH_MAX, PROFILE_ENTRIES_MAX, PROFILE_FOLDERS_MAX, PROFILE_VALUES_MAX } from '../base/limits.ts';
import { isWithin, joinPath } from '../base/paths.ts';
import { createSqliteCapturer, isSqliteHeader, type SqliteCapturer } from '../databases/sqlite.ts';
import { type RowValue, readRows } from '../databases/sqlite-rows.ts';
import type { FoundFolder } from '../profiles/plan.ts';
import {
  below,
  type FolderView,
  type Recognised,
  recognise,
  recognisePart,
  withoutSuperseded,
} from '../profiles/recognise.ts';
import type { NamedFolder, Profile } from '../profiles/types.ts';
import { makeScratchFolder } from './scratch-folders.ts';

const HEADER_BYTES = 16;
const DATABASE_BYTES_MIN = 512;

/** What lies on this disk. What cannot be looked at is not there. */
export const DISK_VIEW: FolderView = {
  kindOf: (path) => {
    try {
      const stat = statSync(path);
      if (stat.isDirectory()) return 'folder';
      if (!stat.isFile()) return undefined;
      return stat.size >= DATABASE_BYTES_MIN && beginsLikeDatabase(path) ? 'sqlite' : 'file';
    } catch (error) {
      if (errnoCode(error) === undefined) throw error;
      return undefined;
    }
  },
};

/** This process has no connection to a database, whose locks closing the file would drop. */
function beginsLikeDatabase(path: Buffer): boolean {
  const head = Buffer.alloc(HEADER_BYTES);
  const file = openSync(path, 'r');
  try {
    readSync(file, head, 0, HEADER_BYTES, 0);
  } finally {
    closeSync(file);
  }
  return isSqliteHeader(head);
}

/** The servers whose folders are these, or lie a little below them; each once, outer folders first. */
export function findServers(paths: readonly Buffer[], profiles: readonly Profile[]): Recognised[] {
  const found: Recognised[] = [];
  const seen = new Set<string>();
  for (const folder of paths.flatMap((path) => foldersBelow(path))) {
    for (const profile of profiles) {
      const one = recognise(profile, folder, DISK_VIEW);
      const [lead] = one?.parts ?? [];
      if (one === undefined || lead === undefined) continue;
      const key = `${profile.name} ${lead.folder.toString('latin1')}`;
      if (seen.has(key)) continue;
      seen.add(key);
      found.push(one);
    }
  }
  return withoutSuperseded(found);
}

/** A folder and those below it, level by level, within the bounds. */
function foldersBelow(path: Buffer): Buffer[] {
  const folders = [path];
  let level: readonly Buffer[] = [path];
  for (let depth = 0; depth < PROFILE_DEPTH_MAX; depth++) {
    const next: Buffer[] = [];
    for (const folder of level) {
      if (folders.length + next.length >= PROFILE_FOLDERS_MAX) break;
      next.push(...foldersIn(folder));
    }
    folders.push(...next);
    level = next;
  }
  return folders.slice(0, PROFILE_FOLDERS_MAX);
}

function foldersIn(folder: Buffer): Buffer[] {
  const found: Buffer[] = [];
  try {
    // Names as they are in bytes; a library may have more folders than are worth a look.
    const directory = opendirSync(folder, { encoding: 'latin1' });
    try {
      for (let count = 0; count < PROFILE_ENTRIES_MAX; count++) {
        const entry = directory.readSync();
        if (entry === null) break;
        if (entry.isDirectory()) found.push(joinPath(folder, Buffer.from(entry.name, 'latin1')));
      }
    } finally {
      directory.closeSync();
    }
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
  }
  return found.sort(Buffer.compare);
}

export interface ReadServer {
  /** With the parts that its database names. */
  readonly recognised: Recognised;
  readonly folders: readonly FoundFolder[];
  /** What could not be read. */
  readonly warnings: readonly string[];
}

/** What a server's databases say about where its folders lie. INTERRUPTED after the signal. */
export async function readServer(
  recognised: Recognised,
  options: { readonly scratchParent: string; readonly signal?: AbortSignal | undefined },
): Promise<ReadServer> {
  const { profile, folder, parts } = recognised;
  if (profile.folders.length === 0) return { recognised, folders: [], warnings: [] };
  const scratchDirectory = makeScratchFolder(options.scratchParent);
  const capturer = createSqliteCapturer({ scratchDirectory, signal: options.signal });
  const folders: FoundFolder[] = [];
  const warnings: string[] = [];
  const failed = (error: unknown): void => {
    if (!isEngineError(error, 'DATABASE_FAILED')) throw error;
    warnings.push(`${profile.title}: which folders it uses cannot be read from its database: ${errorMessage(error)}`);
  };
  try {
    for (const { path, rules } of rulesByDatabase(recognised)) {
      const found = await readNames(capturer, path, { rules, signal: options.signal, failed });
      for (const { rule, said } of found) folders.push({ rule, said, path: placeOf(said, recognised) });
    }
  } finally {
    await capturer.close();
    await rm(scratchDirectory, { recursive: true, force: true });
  }
  const named = folders.flatMap(({ rule, path }) => {
    const part = profile.parts.find(({ name }) => name === rule.isPart);
    return part === undefined || path === undefined ? [] : (recognisePart(part, path, DISK_VIEW) ?? []);
  });
  // What the database names holds, whatever lies beside the rest.
  const others = parts.filter(({ part }) => !named.some((one) => one.part.name === part.name));
  return { recognised: { profile, folder, parts: [...others, ...named] }, folders, warnings };
}

function rulesByDatabase({ profile, parts }: Recognised): { readonly path: Buffer; readonly rules: NamedFolder[] }[] {
  const found = new Map<string, { readonly path: Buffer; readonly rules: NamedFolder[] }>();
  for (const rule of profile.folders) {
    const part = parts.find((one) => one.part.name === rule.part);
    if (part === undefined) continue;
    const path = below(part.folder, rule.database);
    const entry = found.get(path.toString('latin1')) ?? { path, rules: [] };
    entry.rules.push(rule);
    found.set(path.toString('latin1'), entry);
  }
  return [...found.values()];
}

interface SaidName {
  readonly rule: NamedFolder;
  readonly said: string;
}

async function readNames(
  capturer: SqliteCapturer,
  path: Buffer,
  options: {
    readonly rules: readonly NamedFolder[];
    readonly signal: AbortSignal | undefined;
    /** Told of each rule whose column is not there, say. */
    readonly failed: (error: unknown) => void;
  },
): Promise<SaidName[]> {
  const outcome = await capturer.capture(path).catch(options.failed);
  if (outcome?.kind !== 'captured') return [];
  const { imagePath: image } = outcome.capture;
  const names: SaidName[] = [];
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

function nameOf(value: RowValue | undefined, rule: NamedFolder): SaidName[] {
  const said = typeof value === 'string' ? pathSaid(value, rule) : undefined;
  return said === undefined ? [] : [{ rule, said }];
}

/** What reads the values of a rule's column. */
export function selectOf(rule: NamedFolder): { readonly sql: string; readonly parameters: (string | number)[] } {
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
export function pathSaid(value: string, rule: NamedFolder): string | undefined {
  const path = rule.form === 'url' ? pathOfUrl(value) : value;
  if (path === undefined || !path.startsWith('/')) return undefined;
  return path.length > 1 ? path.replace(/\/+$/, '') : path;
}

function pathOfUrl(value: string): string | undefined {
  try {
    return decodeURIComponent(new URL(value).pathname);
  } catch {
    return undefined;
  }
}

/** Where a folder lies here that the server knows by this path, which may be one of its container's. */
function placeOf(said: string, { parts }: Recognised): Buffer | undefined {
  const path = Buffer.from(said);
  const candidates: Buffer[] = [path];
  for (const { part, folder } of parts) {
    if (part.container === undefined || !isWithin(path, Buffer.from(part.container))) continue;
    candidates.unshift(below(folder, said.slice(part.container.length + 1)));
  }
  return candidates.find((candidate) => DISK_VIEW.kindOf(candidate) === 'folder');
}
