/**
 * The source paths as a trie from the root: which directories only lead to sources, and which are sources themselves.
 * A path that is a symbolic link to a folder is followed where it was named, as is every folder on the way to it.
 */

import { EngineError } from '../../base/errors.ts';
import { readMode, S_IFLNK, S_IFMT, S_IFREG, STAT_BYTES } from '../../base/stat.ts';
import {
  type DirectoryHandle,
  type FileSystem,
  FileSystemError,
  LISTING_EXTRA_WORDS,
  type Listing,
  type StatTarget,
} from '../../filesystem/types.ts';
import type { RunContext } from './run-context.ts';

interface TrieNode {
  readonly children: Map<string, TrieNode>;
  isSource: boolean;
}

export interface Sources {
  /** The names wanted in a directory that leads to sources, wherever it lies; undefined for a source, and off the way. */
  namesBelow(path: Buffer): Buffer[] | undefined;
  /** True for a path that is, or leads to, a source. */
  isNamed(path: Buffer): boolean;
  /** True for a path that is, or lies below, a source. */
  covers(path: Buffer): boolean;
}

function components(path: Buffer): string[] {
  return path
    .toString('latin1')
    .split('/')
    .filter((part) => part !== '' && part !== '.');
}

/** Problems name each source that does not exist; SOURCE_MISSING where none does. */
export function findSources(fileSystem: FileSystem, paths: readonly Buffer[], context: RunContext): Sources {
  const root: TrieNode = { children: new Map(), isSource: false };
  let found = 0;
  for (const path of paths) {
    const state = stateOf(fileSystem, path);
    if ('missing' in state) {
      const { missing } = state;
      context.problem(path, 'stat', missing, `The source ${path.toString('utf8')} cannot be found: ${missing}`);
      continue;
    }
    if (state.isLink) {
      context.note(
        `${path.toString('utf8')} is a symbolic link to no folder: the link itself is stored, not what it leads to`,
      );
    }
    found++;
    let node = root;
    for (const part of components(path)) {
      let child = node.children.get(part);
      if (child === undefined) {
        child = { children: new Map(), isSource: false };
        node.children.set(part, child);
      }
      node = child;
    }
    node.isSource = true;
  }
  if (found === 0) {
    const names = paths.map((path) => path.toString('utf8')).join(', ');
    throw new EngineError('SOURCE_MISSING', `No source exists (${names}): nothing was stored`);
  }
  const nodeOf = (path: Buffer): TrieNode | undefined => {
    let node: TrieNode | undefined = root;
    for (const part of components(path)) node = node?.children.get(part);
    return node;
  };
  return {
    namesBelow: (path) => {
      const node = nodeOf(path);
      if (node === undefined || node.isSource) return undefined;
      return [...node.children.keys()].map((name) => Buffer.from(name, 'latin1')).sort(Buffer.compare);
    },
    isNamed: (path) => nodeOf(path) !== undefined,
    covers: (path) => {
      let node: TrieNode | undefined = root;
      for (const part of components(path)) {
        if (node === undefined || node.isSource) break;
        node = node.children.get(part);
      }
      return node?.isSource === true;
    },
  };
}

/** Why a source cannot be stored, or whether it is a link that is stored as one. */
function stateOf(fileSystem: FileSystem, path: Buffer): { readonly missing: string } | { readonly isLink: boolean } {
  try {
    if (components(path).length === 0) return { isLink: false };
    const slash = path.lastIndexOf(0x2f, path.at(-1) === 0x2f ? -2 : undefined);
    const name = path.at(-1) === 0x2f ? path.subarray(slash + 1, -1) : path.subarray(slash + 1);
    const target = { block: Buffer.alloc(STAT_BYTES), extras: new Uint32Array(LISTING_EXTRA_WORDS) };
    const directory = fileSystem.openDirectory(
      Buffer.concat([path.subarray(0, slash + 1), Buffer.from('.')]),
      'search',
    );
    try {
      fileSystem.statAt(directory, name, target);
      if (typeOf(target) === S_IFLNK) statFollowed(fileSystem, { directory, name }, target);
    } finally {
      fileSystem.close(directory);
    }
    return { isLink: typeOf(target) === S_IFLNK };
  } catch (error) {
    if (error instanceof FileSystemError) return { missing: error.code };
    throw error;
  }
}

/** How a directory is opened that a person named: through symbolic links. */
export function followed(name: Buffer): Buffer {
  return Buffer.concat([name, Buffer.from('/.')]);
}

/** A listing of some names, and which of them were not asked for themselves. */
export interface NamedListing extends Listing {
  /** Indices of files beside a file that was named: a database's, if that is one. */
  readonly companions: ReadonlySet<number>;
}

/**
 * A listing of just these names; a symbolic link to a directory is shown as that directory. `companionsOf` names what
 * belongs to a file, and is listed with it where it exists.
 */
export function listNames(
  fileSystem: FileSystem,
  directory: DirectoryHandle,
  wanted: { readonly names: readonly Buffer[]; readonly companionsOf?: (name: Buffer) => readonly Buffer[] },
): NamedListing {
  const found: { readonly name: Buffer; readonly target: StatTarget; readonly isCompanion: boolean }[] = [];
  const failed: { name: Buffer; code: string }[] = [];
  const named = new Set(wanted.names.map((name) => name.toString('latin1')));
  const look = (name: Buffer, isCompanion: boolean): StatTarget | undefined => {
    const target = { block: Buffer.alloc(STAT_BYTES), extras: new Uint32Array(LISTING_EXTRA_WORDS) };
    try {
      fileSystem.statAt(directory, name, target);
      if (typeOf(target) === S_IFLNK) statFollowed(fileSystem, { directory, name }, target);
      found.push({ name, target, isCompanion });
      return target;
    } catch (error) {
      if (!(error instanceof FileSystemError)) throw error;
      if (!isCompanion) failed.push({ name, code: error.code });
      return undefined;
    }
  };
  for (const name of wanted.names) {
    const target = look(name, false);
    if (target === undefined || typeOf(target) !== S_IFREG) continue;
    for (const companion of wanted.companionsOf?.(name) ?? []) {
      if (!named.has(companion.toString('latin1'))) look(companion, true);
    }
  }
  found.sort((a, b) => a.name.compare(b.name));
  const extras = new Uint32Array(found.length * LISTING_EXTRA_WORDS);
  for (const [index, { target }] of found.entries()) extras.set(target.extras, index * LISTING_EXTRA_WORDS);
  return {
    names: found.map(({ name }) => name),
    stats: Buffer.concat(found.map(({ target }) => target.block)),
    extras,
    failed,
    companions: new Set(found.flatMap(({ isCompanion }, index) => (isCompanion ? [index] : []))),
  };
}

function typeOf(target: StatTarget): number {
  return readMode(target.block, 0) & S_IFMT;
}

function statFollowed(
  fileSystem: FileSystem,
  link: { readonly directory: DirectoryHandle; readonly name: Buffer },
  target: { block: Buffer; extras: Uint32Array },
): void {
  try {
    const opened = fileSystem.openDirectoryAt(link.directory, followed(link.name), 'search');
    try {
      fileSystem.statDirectory(opened, target);
    } finally {
      fileSystem.close(opened);
    }
  } catch (error) {
    // A link to a file, or to nothing, stays a link.
    if (!(error instanceof FileSystemError)) throw error;
  }
}
