/** Which entries of the disk would be in a snapshot that is taken by the rules of another one. */

import { S_IFDIR, S_IFREG } from '../base/stat.ts';
import { PatternSet } from '../filesystem/patterns.ts';
import { type DirectoryHandle, type FileSystem, FileSystemError } from '../filesystem/types.ts';
import type { JsonObject } from '../format/canonical-json.ts';

const CACHE_TAG = Buffer.from('CACHEDIR.TAG');
const CACHE_TAG_SIGNATURE = Buffer.from('Signature: 8a477f597d28d172789f06886806bc55');

function textsOf(rules: JsonObject, key: string): string[] {
  const value = rules[key];
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
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
    this.#excludes = new PatternSet(textsOf(rules, 'excludes'));
    this.#caseInsensitive = new PatternSet(textsOf(rules, 'caseInsensitiveExcludes'), { caseInsensitive: true });
    this.#markers = textsOf(rules, 'excludeIfPresent').map((name) => Buffer.from(name));
    this.#leavesOutCaches = rules['excludeCaches'] === true;
    const larger = rules['excludeLargerThan'];
    this.#bytesMax = typeof larger === 'number' ? larger : Number.POSITIVE_INFINITY;
    this.#oneFileSystem = rules['oneFileSystem'] === true;
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
