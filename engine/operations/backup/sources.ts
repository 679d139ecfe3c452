/**
 * The source paths as a trie from the root: which directories only lead to sources, and which are sources themselves.
 * A path that is a symbolic link is followed where it was named, as is every directory on the way to it.
 */

import { EngineError } from '../../base/errors.ts';
import { S_IFLNK, S_IFMT, STAT_BYTES } from '../../base/stat.ts';
import {
  type DirectoryHandle,
  type FileSystem,
  FileSystemError,
  LISTING_EXTRA_WORDS,
  type Listing,
} from '../../filesystem/types.ts';
import type { RunContext } from './run-context.ts';

interface TrieNode {
  readonly children: Map<string, TrieNode>;
  isSource: boolean;
}

export interface Sources {
  /** The names wanted in a directory that only leads to sources; undefined for one inside a source. */
  namesWanted(path: Buffer): Buffer[] | undefined;
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
    const code = whyMissing(fileSystem, path);
    if (code !== undefined) {
      context.problem(path, 'stat', code, `The source ${path.toString('utf8')} cannot be found: ${code}`);
      continue;
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
  const walk = (path: Buffer): { node: TrieNode | undefined; covered: boolean } => {
    let node: TrieNode | undefined = root;
    for (const part of components(path)) {
      if (node === undefined || node.isSource) return { node: undefined, covered: node?.isSource === true };
      node = node.children.get(part);
    }
    return { node, covered: node?.isSource === true };
  };
  return {
    namesWanted: (path) => {
      const { node } = walk(path);
      if (node === undefined || node.isSource) return undefined;
      return [...node.children.keys()].map((name) => Buffer.from(name, 'latin1')).sort(Buffer.compare);
    },
    covers: (path) => walk(path).covered,
  };
}

function whyMissing(fileSystem: FileSystem, path: Buffer): string | undefined {
  try {
    if (components(path).length === 0) return undefined;
    const slash = path.lastIndexOf(0x2f, path.at(-1) === 0x2f ? -2 : undefined);
    const name = path.at(-1) === 0x2f ? path.subarray(slash + 1, -1) : path.subarray(slash + 1);
    const directory = fileSystem.openDirectory(
      Buffer.concat([path.subarray(0, slash + 1), Buffer.from('.')]),
      'search',
    );
    try {
      fileSystem.statAt(directory, name, {
        block: Buffer.alloc(STAT_BYTES),
        extras: new Uint32Array(LISTING_EXTRA_WORDS),
      });
    } finally {
      fileSystem.close(directory);
    }
    return undefined;
  } catch (error) {
    if (error instanceof FileSystemError) return error.code;
    throw error;
  }
}

/** How a directory is opened that a person named: through symbolic links. */
export function followed(name: Buffer): Buffer {
  return Buffer.concat([name, Buffer.from('/.')]);
}

/** A listing of just these names; a symbolic link to a directory is shown as that directory. */
export function listNames(fileSystem: FileSystem, directory: DirectoryHandle, names: readonly Buffer[]): Listing {
  const stats = Buffer.alloc(names.length * STAT_BYTES);
  const extras = new Uint32Array(names.length * LISTING_EXTRA_WORDS);
  const seen: Buffer[] = [];
  const failed: { name: Buffer; code: string }[] = [];
  for (const name of names) {
    const target = {
      block: stats.subarray(seen.length * STAT_BYTES, (seen.length + 1) * STAT_BYTES),
      extras: extras.subarray(seen.length * LISTING_EXTRA_WORDS),
    };
    try {
      fileSystem.statAt(directory, name, target);
      if ((target.block.readUInt16LE(0) & S_IFMT) === S_IFLNK) statFollowed(fileSystem, { directory, name }, target);
      seen.push(name);
    } catch (error) {
      if (!(error instanceof FileSystemError)) throw error;
      failed.push({ name, code: error.code });
    }
  }
  return { names: seen, stats, extras, failed };
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
