/** Carries one comparison out: rows of an image and the tree of a snapshot, both in the tree's order, side by side. */

import { throwIfAborted } from '../../base/errors.ts';
import { SERVER_LEFT_OUT_MAX, SERVER_TITLE_CHARACTERS_MAX } from '../../base/limits.ts';
import { isWithin, joinPath, parentPath } from '../../base/paths.ts';
import { pathOfTreeKey, treeKey } from '../../base/server-paths.ts';
import type { NodeType } from '../../base/stat.ts';
import { type RowValue, readRows } from '../../databases/sqlite-rows.ts';
import { loadLeftOutPaths } from '../../repository/left-out-paths.ts';
import { OrderedFinder } from '../../repository/ordered-finder.ts';
import type { Repository } from '../../repository/repository.ts';
import type { MissKind } from '../../repository/server-check.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import type { DatabaseComparison } from './comparisons.ts';
import { foldersIn, treeAt, treeOf } from './folders.ts';
import { type Entry, Ledger, onlyInSecond, type Verdict } from './ledger.ts';
import type { Place } from './places.ts';

export interface CompareOptions {
  readonly repository: Repository;
  readonly snapshot: Snapshot;
  /** A private image of the database. */
  readonly image: string;
  readonly comparison: DatabaseComparison;
  readonly places: readonly Place[];
  readonly signal: AbortSignal | undefined;
  /** Told now and then how many rows are done. */
  readonly onRows: (rows: number, path: Buffer) => void;
}

/** What a file system calls a file that has no proper name here. */
const REPLACEMENT = '\uFFFD';
/** A folder of a book: its title and its id. */
const BOOK_FOLDER = / \(\d+\)$/;
const DOT = 0x2e;

export class Compare {
  readonly #options: CompareOptions;
  readonly #finder: OrderedFinder;
  readonly #ledger: Ledger;
  #leftOut: ReadonlySet<string> | undefined;
  /** Folders of the snapshot that were held against rows. */
  folders = 0;

  constructor(options: CompareOptions) {
    this.#options = options;
    this.#finder = new OrderedFinder(options.repository.blobs, options.snapshot.tree);
    this.#ledger = new Ledger(options.places);
  }

  /** DATABASE_FAILED where the database does not have what is asked for. */
  async run(): Promise<Ledger> {
    await this.#compareEntries();
    await this.#compareFolders();
    return this.#ledger;
  }

  async #compareEntries(): Promise<void> {
    const { comparison, onRows } = this.#options;
    const text = (column: string): string => `substr(CAST(${column} AS TEXT), 1, ${SERVER_TITLE_CHARACTERS_MAX})`;
    const sql = `SELECT tree_key(said) AS key, what, ${text('title')}, ${text('said')} FROM (${comparison.entries})
      WHERE said IS NOT NULL AND said <> '' ORDER BY key`;
    for await (const rows of this.#rows(sql)) {
      for (const [value, what, title, said] of rows) {
        if (value instanceof Uint8Array) {
          const key = bufferOf(value);
          const library = this.#libraryOf(pathOfTreeKey(key));
          await this.#judge({ key, what: textOf(what) as MissKind, title: textOf(title), library });
        } else this.#ledger.addValue(textOf(title), textOf(said));
      }
      const last = rows.at(-1)?.[0];
      if (last instanceof Uint8Array) onRows(this.#ledger.rows, pathOfTreeKey(last));
    }
  }

  async *#rows(sql: string): AsyncGenerator<readonly (readonly RowValue[])[]> {
    const { image, places, signal } = this.#options;
    const passed = places.map(({ said, path }) => ({ said, path }));
    for await (const rows of readRows({ image, sql, places: passed }, signal)) {
      throwIfAborted(signal);
      yield rows;
    }
  }

  /** The number of the deepest place that holds a path. */
  #libraryOf(path: Buffer): number | undefined {
    let found: number | undefined;
    for (const [number, place] of this.#options.places.entries()) {
      const depth = found === undefined ? -1 : (this.#options.places[found]?.path.length ?? -1);
      if (place.path.length > depth && isWithin(path, place.path)) found = number;
    }
    return found;
  }

  async #judge(entry: Entry): Promise<void> {
    this.#ledger.add(entry, await this.#verdict(entry));
  }

  async #verdict({ key, what, library }: Entry): Promise<Verdict> {
    const { comparison, places, snapshot } = this.#options;
    const place = library === undefined ? undefined : places[library];
    if (comparison.ignoresElsewhere === true && place?.isThere !== true) {
      const path = pathOfTreeKey(key);
      if (!snapshot.paths.some((source) => isWithin(path, source))) return 'unjudged';
    }
    if (this.#ledger.isCovered(key)) return 'missing';
    const found = place?.isThere === false ? undefined : await this.#finder.find(key);
    if (found === 'behind-link') return 'unjudged';
    if (found !== undefined && fits(found.type, what)) return 'there';
    if (await this.#isLeftOut(pathOfTreeKey(key))) return 'left-out';
    return key.includes(REPLACEMENT) ? 'unjudged' : 'missing';
  }

  /** What could not be read is missing, though it was left out. */
  async #isLeftOut(path: Buffer): Promise<boolean> {
    const { repository, snapshot } = this.#options;
    if (snapshot.leftOut.count === 0 || snapshot.leftOut.count > SERVER_LEFT_OUT_MAX) return false;
    this.#leftOut ??= await loadLeftOutPaths(repository.blobs, snapshot, ['unreadable']);
    for (let at = path; at.length > 1; at = parentPath(at)) {
      if (this.#leftOut.has(at.toString('latin1'))) return true;
    }
    return false;
  }

  /** Folders of books that no row names. */
  async #compareFolders(): Promise<void> {
    const { folders } = this.#options.comparison;
    if (folders === undefined) return;
    for (const place of this.#options.places) {
      if (!place.isThere) continue;
      for await (const key of onlyInSecond(this.#keysOfRows(folders), this.#bookFolders(place.path))) {
        this.#ledger.addWithoutRow(key);
      }
    }
  }

  async *#keysOfRows(folders: string): AsyncGenerator<Buffer> {
    const sql = `SELECT key FROM (SELECT DISTINCT tree_key(said) AS key FROM (${folders})) WHERE key IS NOT NULL ORDER BY key`;
    for await (const rows of this.#rows(sql)) {
      for (const [value] of rows) if (value instanceof Uint8Array) yield bufferOf(value);
    }
  }

  /** Keys of the folders `Author/Title (id)` of a library. What begins with a dot is the program's own. */
  async *#bookFolders(library: Buffer): AsyncGenerator<Buffer> {
    const { repository, snapshot, signal } = this.#options;
    const { blobs } = repository;
    const tree = await treeAt(blobs, snapshot, library);
    if (tree === undefined) return;
    for await (const author of foldersIn(blobs, tree)) {
      throwIfAborted(signal);
      const inner = treeOf(author);
      if (inner === undefined || author.name[0] === DOT) continue;
      const path = joinPath(library, author.name);
      for await (const { name } of foldersIn(blobs, inner)) {
        if (!BOOK_FOLDER.test(name.toString('latin1'))) continue;
        this.folders++;
        yield treeKey(joinPath(path, name));
      }
    }
  }
}

/** A link counts as what it should be: where it leads is not looked at. */
function fits(type: NodeType, what: MissKind): boolean {
  if (type === 'symlink' || what === 'item') return true;
  return what === 'folder' ? type === 'dir' : type === 'file';
}

/** Bytes from another process, as what they were. */
function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function textOf(value: RowValue | undefined): string {
  return typeof value === 'string' ? value : '';
}
