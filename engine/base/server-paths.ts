/**
 * Paths as a server's database says them: where they lie in a snapshot, and as keys whose order of bytes is the order in
 * which a tree is walked. Pure.
 */

import { SERVER_PATH_BYTES_MAX } from './limits.ts';

const SLASH = 0x2f;

/** Paths that begin with `said` lie below `path`. */
export interface ServerPlace {
  /** Absolute, as the server sees it; `/` for all. */
  readonly said: string;
  readonly path: Uint8Array;
}

/** A path with its slashes as zero bytes: a directory, what it holds, and only then its next neighbour. */
export function treeKey(path: Uint8Array): Buffer {
  return replaced(path, SLASH, 0);
}

export function pathOfTreeKey(key: Uint8Array): Buffer {
  return replaced(key, 0, SLASH);
}

function replaced(bytes: Uint8Array, from: number, to: number): Buffer {
  const copy = Buffer.from(bytes);
  for (let at = copy.indexOf(from); at >= 0; at = copy.indexOf(from, at + 1)) copy[at] = to;
  return copy;
}

/** An absolute path with one slash between names and none at its end; undefined for what no file can be called. */
export function plainPath(said: unknown): string | undefined {
  if (typeof said !== 'string' || said.length > SERVER_PATH_BYTES_MAX) return undefined;
  if (!said.startsWith('/') || said.includes('\0')) return undefined;
  if (!/\/(?:\.{0,2}(?:\/|$))/.test(said)) return said;
  const names = said.split('/').filter((name) => name !== '' && name !== '.');
  return names.includes('..') ? undefined : `/${names.join('/')}`;
}

/** True where `path` is `ancestor` or lies below it; both plain. */
export function isPlainWithin(path: string, ancestor: string): boolean {
  if (ancestor === '/' || path === ancestor) return true;
  return path.startsWith(ancestor) && path[ancestor.length] === '/';
}

/** The key of the place of a path; of several places that hold it, the deepest counts, of none, it is where it says. */
export function placedKey(said: unknown, places: readonly ServerPlace[]): Buffer | undefined {
  const path = plainPath(said);
  if (path === undefined) return undefined;
  let found: ServerPlace | undefined;
  for (const place of places) {
    if (isPlainWithin(path, place.said) && place.said.length > (found?.said.length ?? 0)) found = place;
  }
  if (found === undefined) return treeKey(Buffer.from(path));
  const rest = Buffer.from(found.said === '/' ? path : path.slice(found.said.length));
  if (rest.length <= 1) return treeKey(found.path);
  return treeKey(found.path.length === 1 ? rest : Buffer.concat([found.path, rest]));
}
