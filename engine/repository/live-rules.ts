/** Which entries of the disk would be in a snapshot that is taken by the rules of another one. */

import { readInode, S_IFDIR, S_IFREG, STAT_BYTES } from '../base/stat.ts';
import { PatternSet } from '../filesystem/patterns.ts';
import { type DirectoryHandle, type FileSystem, FileSystemError, LISTING_EXTRA_WORDS } from '../filesystem/types.ts';
import type { JsonObject } from '../format/canonical-json.ts';

const CACHE_TAG = Buffer.from('CACHEDIR.TAG');
const CACHE_TAG_SIGNATURE = Buffer.from('Signature: 8a477f597d28d172789f06886806bc55');

/** Options of the backup that took a snapshot which decide what is in it (operations/backup/options.ts says what each is). */
export interface SnapshotRules {
  readonly excludes: readonly string[];
  readonly caseInsensitiveExcludes: readonly string[];
  readonly excludeIfPresent: readonly string[];
  readonly excludeCaches: boolean;
  readonly excludeLargerThan: number | undefined;
  readonly oneFileSystem: boolean;
  readonly databases: boolean;
}

/** The rules that a snapshot records. */
export function rulesOf(rules: JsonObject): SnapshotRules {
  const texts = (key: string): string[] => {
    const value = rules[key];
    return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
  };
  const larger = rules['excludeLargerThan'];
  return {
    excludes: texts('excludes'),
    caseInsensitiveExcludes: texts('caseInsensitiveExcludes'),
    excludeIfPresent: texts('excludeIfPresent'),
    excludeCaches: rules['excludeCaches'] === true,
    excludeLargerThan: typeof larger === 'number' ? larger : undefined,
    oneFileSystem: rules['oneFileSystem'] === true,
    databases: rules['databases'] !== false,
  };
}

export class LiveRules {
  readonly #excludes: PatternSet;
  readonly #caseInsensitive: PatternSet;
  readonly #markers: readonly Buffer[];
  readonly #leavesOutCaches: boolean;
  readonly #bytesMax: number;
  readonly #oneFileSystem: boolean;
  /** Paths that the snapshot left out, for whichever reason. */
  readonly #leftOut: ReadonlySet<string>;

  constructor(rules: JsonObject, leftOut: ReadonlySet<string>) {
    const said = rulesOf(rules);
    this.#excludes = new PatternSet(said.excludes);
    this.#caseInsensitive = new PatternSet(said.caseInsensitiveExcludes, { caseInsensitive: true });
    this.#markers = said.excludeIfPresent.map((name) => Buffer.from(name));
    this.#leavesOutCaches = said.excludeCaches;
    this.#bytesMax = said.excludeLargerThan ?? Number.POSITIVE_INFINITY;
    this.#oneFileSystem = said.oneFileSystem;
    this.#leftOut = leftOut;
  }

  wants(
    path: Buffer,
    entry: { readonly type: number; readonly size: number; readonly mount: string; readonly mountAbove: string },
  ): boolean {
    if (this.#leftOut.has(path.toString('latin1'))) return false;
    if (entry.type === S_IFREG && entry.size > this.#bytesMax) return false;
    if (entry.type === S_IFDIR && this.#oneFileSystem && entry.mount !== entry.mountAbove) return false;
    const isDirectory = entry.type === S_IFDIR;
    return !this.#excludes.matches(path, isDirectory) && !this.#caseInsensitive.matches(path, isDirectory);
  }

  /** The name that says that everything beside it stays out. */
  markerIn(fileSystem: FileSystem, directory: DirectoryHandle, names: readonly Buffer[]): Buffer | undefined {
    const marker = this.#markers.find((one) => names.some((name) => name.equals(one)));
    if (marker !== undefined) return marker;
    if (!this.#leavesOutCaches || !names.some((name) => name.equals(CACHE_TAG))) return undefined;
    return isCacheTag(fileSystem, directory) ? CACHE_TAG : undefined;
  }
}

function isCacheTag(fileSystem: FileSystem, directory: DirectoryHandle): boolean {
  const head = Buffer.alloc(CACHE_TAG_SIGNATURE.length);
  try {
    const file = fileSystem.openFileAt(directory, CACHE_TAG);
    try {
      fileSystem.read(file, head, { offset: 0, length: head.length, position: 0 });
    } finally {
      fileSystem.close(file);
    }
  } catch (error) {
    if (error instanceof FileSystemError) return false;
    throw error;
  }
  return head.equals(CACHE_TAG_SIGNATURE);
}

/** Directories of our own (repository, cache), by `major:minor/inode`: no verb that goes through a source touches them. */
export function ownDirectories(fileSystem: FileSystem, paths: readonly (string | undefined)[]): ReadonlySet<string> {
  const own = new Set<string>();
  const target = { block: Buffer.alloc(STAT_BYTES), extras: new Uint32Array(LISTING_EXTRA_WORDS) };
  for (const path of paths) {
    if (path === undefined) continue;
    try {
      const directory = fileSystem.openDirectory(Buffer.concat([Buffer.from(path), Buffer.from('/.')]), 'search');
      fileSystem.statDirectory(directory, target);
      fileSystem.close(directory);
    } catch (error) {
      if (error instanceof FileSystemError) continue;
      throw error;
    }
    own.add(`${target.extras[0]}:${target.extras[1]}/${readInode(target.block, 0)}`);
  }
  return own;
}
