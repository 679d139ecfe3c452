/** Counts what lies in the sources, without storing anything: what a first run compares its progress with. */

import { readMode, readSize, S_IFDIR, S_IFMT, S_IFREG, STAT_BYTES } from '../../base/stat.ts';
import { type DirectoryHandle, type FileSystem, FileSystemError } from '../../filesystem/types.ts';
import { type ExclusionOptions, Exclusions } from './exclusions.ts';
import { joinPath, RunContext } from './run-context.ts';
import { deviceOf } from './scan-types.ts';
import { findSources, followed, listNames, type Sources } from './sources.ts';

/** Structured-cloneable. */
export interface CountOptions extends ExclusionOptions {
  readonly paths: readonly Buffer[];
  /** Directories of our own, which are left out wherever they are met. */
  readonly own: readonly string[];
}

/** Entries that are no directories, and the bytes of the regular files among them. */
export interface SourceTotals {
  readonly files: number;
  readonly bytes: number;
}

/** Of all options of a run those that a thread needs, and no function. */
export function countOptionsOf(
  options: ExclusionOptions & { readonly paths: readonly Buffer[] },
  own: readonly string[],
): CountOptions {
  const { paths, excludes, caseInsensitiveExcludes, excludeIfPresent, excludeCaches } = options;
  const { excludeLargerThan, oneFileSystem } = options;
  const exclusions = { excludes, caseInsensitiveExcludes, excludeIfPresent, excludeCaches };
  return { paths, own, ...exclusions, excludeLargerThan, oneFileSystem };
}

export function countSources(fileSystem: FileSystem, options: CountOptions): SourceTotals {
  const counter = new SourceCounter(fileSystem, options);
  const root = fileSystem.openDirectory(Buffer.from('/'), 'search');
  try {
    counter.count(root, { path: Buffer.from('/'), device: '', leads: true });
  } finally {
    fileSystem.close(root);
  }
  return { files: counter.files, bytes: counter.bytes };
}

interface Place {
  readonly path: Buffer;
  readonly device: string;
  /** It only leads to sources. */
  readonly leads: boolean;
  readonly unfiltered?: boolean;
}

class SourceCounter {
  files = 0;
  bytes = 0;
  readonly #fileSystem: FileSystem;
  readonly #exclusions: Exclusions;
  readonly #sources: Sources;

  constructor(fileSystem: FileSystem, options: CountOptions) {
    this.#fileSystem = fileSystem;
    this.#exclusions = new Exclusions(fileSystem, options);
    for (const path of options.own) this.#exclusions.addOwnDirectory(path);
    this.#sources = findSources(fileSystem, options.paths, new RunContext({}));
  }

  count(directory: DirectoryHandle, place: Place): void {
    const { path } = place;
    const wanted = place.leads ? this.#sources.namesBelow(path) : undefined;
    const listing =
      wanted === undefined
        ? this.#fileSystem.list(directory)
        : listNames(this.#fileSystem, directory, { names: wanted });
    const marker = wanted === undefined ? this.#exclusions.markerIn(directory, listing) : undefined;
    for (const [index, name] of listing.names.entries()) {
      const at = index * STAT_BYTES;
      const type = readMode(listing.stats, at) & S_IFMT;
      const below = joinPath(path, name);
      const entry = { name, listing, index, type, marker };
      const isOut = wanted === undefined && this.#exclusions.reasonFor(place, entry) !== undefined;
      if (isOut && !this.#sources.isNamed(below)) continue;
      const leads = (isOut || wanted !== undefined) && this.#sources.namesBelow(below) !== undefined;
      if (type === S_IFDIR) {
        const opened = wanted === undefined ? name : followed(name);
        const isSource = !leads && (isOut || wanted !== undefined);
        const unfiltered = place.unfiltered === true || (isSource && this.#exclusions.matches(below, true));
        this.#enter(directory, opened, { path: below, device: deviceOf(listing, index), leads, unfiltered });
      } else if (!leads) {
        this.files++;
        if (type === S_IFREG) this.bytes += readSize(listing.stats, at);
      }
    }
  }

  /** What cannot be listed is the backup's to report. */
  #enter(above: DirectoryHandle, name: Buffer, place: Place): void {
    try {
      const directory = this.#fileSystem.openDirectoryAt(above, name, place.leads ? 'search' : 'list');
      try {
        this.count({ fd: directory.fd, path: place.path }, place);
      } finally {
        this.#fileSystem.close(directory);
      }
    } catch (error) {
      if (!(error instanceof FileSystemError)) throw error;
    }
  }
}
