/** A file whose content is wanted, as the window and its executor follow it. */

import type { FileHandle } from '../../filesystem/types.ts';
import type { LinkGroup } from './hard-links.ts';
import type { TargetDirectory } from './target-directories.ts';

/** A large file under its temporary name. */
export interface LargeFile {
  readonly name: Buffer;
  handle: FileHandle | undefined;
  pins: number;
}

export interface PlannedFile {
  readonly directory: TargetDirectory;
  /** Own bytes, or a view of a leaf that the window keeps. */
  readonly row: Buffer;
  readonly name: Buffer;
  readonly size: number;
  readonly group: LinkGroup | undefined;
  /** Names beside it that go before it comes: side files of the database that it replaces. */
  readonly sideFiles: readonly Buffer[];
  replaces: boolean;
  /** What lies in its place had more names when it was met. */
  readonly hadMoreNames: boolean;
  /** A database that is swapped in when all else is there: it keeps its temporary name until then. */
  readonly image: boolean;
  /** Of a database whose paths were rewritten: stands beside its row where it is remembered, since it is not the row's content. */
  readonly mark: Buffer | undefined;
  /** All its slices are counted. */
  planned: boolean;
  slices: number;
  slicesDone: number;
  /** Of its content, taken from the file in whose place it comes. */
  bytesReused: number;
  /** `written`: all of an image is there. */
  state: 'open' | 'written' | 'finished' | 'failed';
  large: LargeFile | undefined;
}

/** Written out field by field: objects that are put together by spreading are slow to make, and slow to use. */
export function plannedFile(
  place: { readonly directory: TargetDirectory; readonly row: Buffer; readonly group: LinkGroup | undefined },
  facts: { readonly name: Buffer; readonly size: number },
  options: { readonly replaces: boolean; readonly hadMoreNames: boolean; readonly sideFiles: readonly Buffer[] },
): PlannedFile {
  return {
    directory: place.directory,
    row: place.row,
    name: facts.name,
    size: facts.size,
    group: place.group,
    sideFiles: options.sideFiles,
    replaces: options.replaces,
    hadMoreNames: options.hadMoreNames,
    image: false,
    mark: undefined,
    planned: false,
    slices: 0,
    slicesDone: 0,
    bytesReused: 0,
    state: 'open',
    large: undefined,
  };
}
