/**
 * Which processes have a database open, as /proc tells. A program that is idle holds no lock in rollback mode, so locks
 * alone do not show it. Files are compared by device and inode: a holder may know the file by another name, through a
 * hard link, a bind mount or the mounts of its container.
 */

import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { errnoCode } from '../base/errors.ts';
import { HOLDER_COMMAND_CHARACTERS_MAX } from '../base/limits.ts';
import { sqliteSideFiles } from './sqlite-names.ts';

export interface Holder {
  readonly pid: number;
  /** The name of its program, without anything that a terminal would obey. */
  readonly command: string;
  /** The database, as the caller named it. */
  readonly path: Buffer;
}

export interface Holders {
  /** By process, then in the order of the paths. */
  readonly holders: readonly Holder[];
  /** False where processes could not be looked at: those of other users, those outside of a container, or all. */
  readonly complete: boolean;
}

/** Device and inode of a file, and the database that it belongs to. */
export type WantedInodes = ReadonlyMap<string, Buffer>;

/** Said by the kernel of the first process namespace: processes outside of any other one are not in its /proc. */
const FIRST_PROCESS_NAMESPACE = 'pid:[4026531836]';
/** What nearly every process has open, and no database. */
const DEVICES = /^\/dev\/(?:null|zero|u?random|tty|ptmx|pts\/)/;

interface Identity {
  readonly dev: bigint;
  readonly ino: bigint;
}

export function inodeKey({ dev, ino }: Identity): string {
  return `${dev}:${ino}`;
}

/**
 * Looks for other processes that have one of these databases open, its main file or a file beside it (`-wal`, `-shm`,
 * `-journal`). Paths that do not exist have no holders.
 *
 * ```ts
 * const { holders, complete } = findHolders([Buffer.from('/srv/app/app.db')]);
 * for (const { pid, command } of holders) console.log(`process ${pid} (${command}) uses it`);
 * ```
 */
export function findHolders(paths: readonly Buffer[]): Holders {
  const wanted = new Map<string, Buffer>();
  for (const path of paths) {
    for (const file of [path, ...Object.values(sqliteSideFiles(path))]) {
      const key = keyOf(file);
      if (key !== undefined && !wanted.has(key)) wanted.set(key, path);
    }
  }
  return findInodeHolders(wanted, new Set([process.pid]));
}

function keyOf(path: Buffer | string): string | undefined {
  try {
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
    return stat === undefined ? undefined : inodeKey(stat);
  } catch {
    // The path leads through what is no folder, or may not be looked into.
    return undefined;
  }
}

/** The same for files that are known by device and inode, which may have no name any more. */
export function findInodeHolders(wanted: WantedInodes, passedOver: ReadonlySet<number>): Holders {
  let complete: boolean;
  let processes: string[];
  try {
    complete = readlinkSync('/proc/self/ns/pid') === FIRST_PROCESS_NAMESPACE;
    processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return { holders: [], complete: false };
  }
  // With hidepid, processes of others are not even listed.
  if (!processes.includes('1')) complete = false;
  const holders: Holder[] = [];
  if (wanted.size === 0) return { holders, complete };
  for (const name of processes) {
    if (passedOver.has(Number(name))) continue;
    const found = openDatabases(name, wanted);
    if (found === undefined) complete = false;
    else for (const path of found) holders.push({ pid: Number(name), command: commandOf(name), path });
  }
  return { holders, complete };
}

/** Undefined where this process may not be looked at. */
function openDatabases(pid: string, wanted: WantedInodes): ReadonlySet<Buffer> | undefined {
  const found = new Set<Buffer>();
  const folder = `/proc/${pid}/fd/`;
  let descriptors: string[];
  try {
    descriptors = readdirSync(folder);
  } catch (error) {
    return mayNotLook(error) ? undefined : found;
  }
  for (const descriptor of descriptors) {
    const link = folder + descriptor;
    try {
      // Sockets, pipes and the like have names that are no paths, and are most of what a server has open.
      const text = readlinkSync(link);
      if (!text.startsWith('/') || DEVICES.test(text)) continue;
    } catch (error) {
      if (mayNotLook(error)) return undefined;
      continue;
    }
    const path = wanted.get(keyOf(link) ?? '');
    if (path !== undefined) found.add(path);
  }
  return found;
}

function mayNotLook(error: unknown): boolean {
  const code = errnoCode(error);
  return code === 'EACCES' || code === 'EPERM';
}

/** Only the program's name: passwords can stand behind it. */
function commandOf(pid: string): string {
  const words = (file: string): string => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, 'utf8');
    } catch {
      return '';
    }
  };
  const [program = ''] = words('cmdline').split(/[\0\s]/, 1);
  const name = program.slice(program.lastIndexOf('/') + 1) || words('comm').trim();
  const printable = name.replace(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, '?').slice(0, HOLDER_COMMAND_CHARACTERS_MAX);
  return printable || 'unknown';
}

/** For messages: `process 12 (node), process 13 (python3)`. */
export function describeHolders(holders: readonly Holder[]): string {
  const named = new Map(holders.map(({ pid, command }) => [pid, `process ${pid} (${command})`]));
  return [...named.values()].join(', ');
}
