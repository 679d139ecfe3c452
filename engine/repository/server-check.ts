/** What a comparison of a server's rows with the files of a snapshot found, and its words. */

import type { EngineError } from '../base/errors.ts';
import type { CheckName } from '../profiles/types.ts';

/**
 * - `file`, `folder`, `cover`, `picture`, `item`: a row names it, and the snapshot does not hold it.
 * - `row`: the snapshot holds a folder of a book, and no row names it.
 * - `library`: nothing of what rows name in a library, or a part of the server, is in the snapshot: one line for all of it.
 * - `value`: a row says something that no file can be called.
 */
export type MissKind = 'file' | 'folder' | 'cover' | 'picture' | 'item' | 'row' | 'library' | 'value';

export interface ServerMiss {
  readonly what: MissKind;
  /** The book's, the author's, the library's; of a folder without a row, its name. */
  readonly title: string;
  /** In the snapshot; what the row says where that is no path. */
  readonly path: Buffer;
  /** Rows that it stands for. */
  readonly entries: number;
}

/** One comparison. */
export interface ServerCheck {
  readonly check: CheckName;
  /** The profile's name, and the server's in words. */
  readonly profile: string;
  readonly title: string;
  /** The server's folder. */
  readonly folder: Buffer;
  /** Of which database. */
  readonly database: Buffer;
  /** Files and folders that rows name, and which of the snapshot's were held against rows. */
  readonly rowsChecked: number;
  readonly filesChecked: number;
  /** Missing because the snapshot was told to leave them out. */
  readonly leftOut: number;
  /** What cannot be told: it lies behind a symbolic link, in no folder of the snapshot, or its name is not UTF-8. */
  readonly unjudged: number;
  /** At most SERVER_MISSES_MAX of missCount. */
  readonly misses: readonly ServerMiss[];
  readonly missCount: number;
  /** Why it could not be made. */
  readonly problem: EngineError | undefined;
}

/** One miss in words. */
export function missText({ what, title, path, entries }: ServerMiss): string {
  const where = path.toString('utf8');
  switch (what) {
    case 'row':
      return `no row for the folder ${where}`;
    case 'library':
      return `nothing of "${title}" (${where}) was found in the snapshot: ${entries} files and folders`;
    case 'value':
      return `"${title}": "${where}" is no path of a file`;
    default:
      return `${what} of "${title}" is not in the snapshot: ${where}`;
  }
}
