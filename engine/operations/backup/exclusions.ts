/** Everything that keeps an entry out of a snapshot. */

import { readInode, readSize, S_IFDIR, S_IFREG, STAT_BYTES } from '../../base/stat.ts';
import { indexOfName } from '../../filesystem/listing.ts';
import { PatternSet } from '../../filesystem/patterns.ts';
import {
  type DirectoryHandle,
  type FileSystem,
  FileSystemError,
  LISTING_EXTRA_WORDS,
  type Listing,
} from '../../filesystem/types.ts';
import type { LeftOutReason } from '../../repository/left-out-paths.ts';
import { isRestoreName } from '../../repository/restore-names.ts';
import { joinPath } from './run-context.ts';
import { deviceOf, type ListedEntry } from './scan-types.ts';

export interface ExclusionOptions {
  readonly excludes?: readonly string[] | undefined;
  readonly caseInsensitiveExcludes?: readonly string[] | undefined;
  /** Names whose presence leaves out all else in the directory. */
  readonly excludeIfPresent?: readonly string[] | undefined;
  /** Directories marked by CACHEDIR.TAG (bford.info/cachedir). */
  readonly excludeCaches?: boolean | undefined;
  readonly excludeLargerThan?: number | undefined;
  /** Nothing on another file system than its source. */
  readonly oneFileSystem?: boolean | undefined;
}

/** An entry whose directory keeps others out of the snapshot, by lying there. */
export interface Marker {
  readonly name: Buffer;
  readonly reason: LeftOutReason;
}

const CACHE_TAG = Buffer.from('CACHEDIR.TAG');
const CACHE_TAG_SIGNATURE = Buffer.from('Signature: 8a477f597d28d172789f06886806bc55');

export class Exclusions {
  readonly #fileSystem: FileSystem;
  readonly #options: ExclusionOptions;
  readonly #patterns: PatternSet;
  readonly #caseInsensitive: PatternSet;
  readonly #markers: readonly Buffer[];
  readonly #own = new Set<string>();
  readonly hasPatterns: boolean;

  constructor(fileSystem: FileSystem, options: ExclusionOptions) {
    this.#fileSystem = fileSystem;
    this.#options = options;
    this.#patterns = new PatternSet(options.excludes ?? []);
    this.#caseInsensitive = new PatternSet(options.caseInsensitiveExcludes ?? [], { caseInsensitive: true });
    this.#markers = (options.excludeIfPresent ?? []).map((name) => Buffer.from(name));
    this.hasPatterns = !this.#patterns.isEmpty || !this.#caseInsensitive.isEmpty;
  }

  /** Leaves a directory of our own (repository, cache) out wherever it is met, by device and inode. */
  addOwnDirectory(path: string): void {
    const target = { block: Buffer.alloc(STAT_BYTES), extras: new Uint32Array(LISTING_EXTRA_WORDS) };
    try {
      const directory = this.#fileSystem.openDirectory(Buffer.from(path));
      this.#fileSystem.statDirectory(directory, target);
      this.#fileSystem.close(directory);
    } catch (error) {
      if (error instanceof FileSystemError) return;
      throw error;
    }
    this.#own.add(`${target.extras[0]}:${target.extras[1]}/${readInode(target.block, 0)}`);
  }

  isOwn(device: string, inode: bigint): boolean {
    return this.#own.size > 0 && this.#own.has(`${device}/${inode}`);
  }

  /** Why an entry inside a source stays out; undefined for one that belongs in. */
  reasonFor(
    directory: { readonly path: Buffer; readonly device: string; readonly unfiltered?: boolean },
    entry: ListedEntry & { readonly type: number; readonly marker: Marker | undefined },
  ): LeftOutReason | undefined {
    const { name, listing, index, type, marker } = entry;
    if (marker !== undefined && !marker.name.equals(name)) return marker.reason;
    if (isRestoreName(name)) return 'excluded';
    const at = index * STAT_BYTES;
    if (type === S_IFDIR) {
      const device = deviceOf(listing, index);
      if (this.isOwn(device, readInode(listing.stats, at))) return 'repository';
      if (this.#options.oneFileSystem === true && device !== directory.device) return 'otherFileSystem';
    } else if (type === S_IFREG && this.isTooLarge(readSize(listing.stats, at))) return 'tooLarge';
    if (!this.hasPatterns || directory.unfiltered === true) return undefined;
    return this.matches(joinPath(directory.path, name), type === S_IFDIR) ? 'excluded' : undefined;
  }

  isTooLarge(size: number): boolean {
    return this.#options.excludeLargerThan !== undefined && size > this.#options.excludeLargerThan;
  }

  matches(path: Buffer, isDirectory: boolean): boolean {
    return this.#patterns.matches(path, isDirectory) || this.#caseInsensitive.matches(path, isDirectory);
  }

  /** The entry that says that everything beside it stays out, if there is one. */
  markerIn(directory: DirectoryHandle, listing: Listing): Marker | undefined {
    for (const marker of this.#markers) {
      if (indexOfName(listing.names, marker) !== undefined) return { name: marker, reason: 'marker' };
    }
    if (this.#options.excludeCaches !== true || indexOfName(listing.names, CACHE_TAG) === undefined) return undefined;
    return this.#isCacheTag(directory) ? { name: CACHE_TAG, reason: 'cacheDirectory' } : undefined;
  }

  #isCacheTag(directory: DirectoryHandle): boolean {
    const head = Buffer.alloc(CACHE_TAG_SIGNATURE.length);
    try {
      const file = this.#fileSystem.openFileAt(directory, CACHE_TAG);
      try {
        this.#fileSystem.read(file, head, { offset: 0, length: head.length, position: 0 });
      } finally {
        this.#fileSystem.close(file);
      }
    } catch (error) {
      if (error instanceof FileSystemError) return false;
      throw error;
    }
    return head.equals(CACHE_TAG_SIGNATURE);
  }
}
