/**
 * Holds what the databases of servers say of files against the files of the same snapshot: rows without files are broken
 * books, folders without rows are books that nobody sees. Everything is read from the repository; nothing is changed.
 */

import { join } from 'node:path';
import { EngineError, isEngineError } from '../../base/errors.ts';
import { PROFILE_VALUES_MAX, SERVER_PATH_BYTES_MAX, SERVER_TITLE_CHARACTERS_MAX } from '../../base/limits.ts';
import type { Monitor } from '../../base/monitor.ts';
import { baseName } from '../../base/paths.ts';
import { plainPath } from '../../base/server-paths.ts';
import { type RowValue, readRows } from '../../databases/sqlite-rows.ts';
import { below } from '../../profiles/recognise.ts';
import type { CheckName } from '../../profiles/types.ts';
import type { Repository } from '../../repository/repository.ts';
import { inScratchFolder } from '../../repository/scratch-folders.ts';
import type { ServerCheck } from '../../repository/server-check.ts';
import { findSnapshotServers, recordedServers, type SnapshotServer } from '../../repository/snapshot-servers.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import { writeDatabase } from '../../repository/write-image.ts';
import { Compare } from './compare.ts';
import { COMPARISONS, type DatabaseComparison, SPLIT_FOLDER } from './comparisons.ts';
import { type Place, Placer, type SaidLibrary, sampleSql, type TakeSample } from './places.ts';

export interface CheckServersOptions {
  readonly snapshot: Snapshot;
  /** Only servers whose profiles were applied when the snapshot was taken, not others that its tree shows. */
  readonly recordedOnly?: boolean | undefined;
  readonly monitor?: Monitor | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * One answer for each comparison of each server. One that cannot be made, of a schema that is not known here, say, says so
 * in its `problem`. STORAGE_FAILED; INTERRUPTED after the signal.
 */
export async function checkServers(repository: Repository, options: CheckServersOptions): Promise<ServerCheck[]> {
  await repository.loadIndex();
  const { snapshot, recordedOnly } = options;
  const servers =
    recordedOnly === true ? recordedServers(snapshot) : await findSnapshotServers(repository.blobs, snapshot);
  const checks: ServerCheck[] = [];
  for (const one of comparisonsOf(servers)) checks.push(await new ServerComparison(repository, one, options).run());
  return checks;
}

interface Wanted {
  readonly server: SnapshotServer;
  readonly check: CheckName;
  /** Of the part that holds the database. */
  readonly folder: Buffer;
}

/** Of two servers with one library (Calibre, and a server that shows it) the one of which more is known. */
function comparisonsOf(servers: readonly SnapshotServer[]): Wanted[] {
  const found = new Map<string, Wanted>();
  for (const server of servers) {
    for (const check of server.profile.checks) {
      const part = server.parts.find((one) => one.part.name === COMPARISONS[check].part);
      if (part === undefined) continue;
      const key = `${check} ${part.folder.toString('latin1')}`;
      const other = found.get(key);
      if (other !== undefined && other.server.parts.length >= server.parts.length) continue;
      found.set(key, { server, check, folder: part.folder });
    }
  }
  return [...found.values()];
}

class ServerComparison {
  readonly #repository: Repository;
  readonly #wanted: Wanted;
  readonly #options: CheckServersOptions;
  #images = 0;

  constructor(repository: Repository, wanted: Wanted, options: CheckServersOptions) {
    this.#repository = repository;
    this.#wanted = wanted;
    this.#options = options;
  }

  async run(): Promise<ServerCheck> {
    const { server, check, folder } = this.#wanted;
    const [first] = COMPARISONS[check].databases;
    const about = { check, profile: server.profile.name, title: server.profile.title, folder: server.folder };
    try {
      return {
        ...about,
        ...(await inScratchFolder(this.#repository.cacheDirectory, (scratch) => this.#compare(scratch))),
      };
    } catch (error) {
      if (!isEngineError(error) || error.code === 'INTERRUPTED' || error.code === 'STORAGE_FAILED') throw error;
      return {
        ...about,
        database: below(folder, first?.path ?? ''),
        rowsChecked: 0,
        filesChecked: 0,
        leftOut: 0,
        unjudged: 0,
        misses: [],
        missCount: 0,
        problem: error,
      };
    }
  }

  async #compare(scratch: string): Promise<Omit<ServerCheck, 'check' | 'profile' | 'title' | 'folder'>> {
    const { snapshot, monitor, signal } = this.#options;
    const { comparison, database, image } = await this.#open(scratch);
    const places = await this.#places(comparison, { scratch, image });
    const compare = new Compare({
      repository: this.#repository,
      snapshot,
      image,
      comparison,
      places,
      signal,
      onRows: (rows, path) =>
        monitor?.progress?.({
          filesDone: rows,
          filesTotal: undefined,
          bytesDone: 0,
          bytesTotal: undefined,
          bytesNew: 0,
          problems: 0,
          currentPath: path.toString('utf8'),
        }),
    });
    const ledger = await compare.run();
    return {
      database,
      rowsChecked: ledger.rows,
      filesChecked: ledger.there + compare.folders,
      leftOut: ledger.leftOut,
      unjudged: ledger.unjudged,
      ...ledger.finish(),
      problem: undefined,
    };
  }

  /** The first of the databases that is in the snapshot and has the table that is asked for. */
  async #open(scratch: string): Promise<{
    readonly comparison: DatabaseComparison;
    readonly database: Buffer;
    readonly image: string;
  }> {
    const { check, folder } = this.#wanted;
    const { databases } = COMPARISONS[check];
    for (const comparison of databases) {
      const database = below(folder, comparison.path);
      const image = await this.#image(scratch, database);
      if (image === undefined) continue;
      if ((await this.#columns(image, comparison.table)).length > 0) return { comparison, database, image };
    }
    const tables = databases.map(({ path, table }) => `${table} in ${path}`).join(', or ');
    throw new EngineError(
      'DATABASE_FAILED',
      `The snapshot holds no database of ${folder.toString('utf8')} that is known here: it would have the table ${tables}`,
    );
  }

  /** Undefined where the snapshot does not hold it. */
  async #image(scratch: string, path: Buffer): Promise<string | undefined> {
    const { snapshot, signal } = this.#options;
    const image = join(scratch, `image-${this.#images++}`);
    try {
      await writeDatabase(this.#repository, { snapshot, path }, image, signal);
      return image;
    } catch (error) {
      if (isEngineError(error, 'PATH_NOT_FOUND')) return undefined;
      throw error;
    }
  }

  async #columns(image: string, table: string): Promise<string[]> {
    const rows = await this.#all({ image, sql: 'SELECT name FROM pragma_table_info(?)', parameters: [table] });
    return rows.map(([name]) => String(name));
  }

  async #all(request: Parameters<typeof readRows>[0]): Promise<(readonly RowValue[])[]> {
    const all: (readonly RowValue[])[] = [];
    for await (const rows of readRows(request, this.#options.signal)) all.push(...rows);
    return all;
  }

  async #places(
    comparison: DatabaseComparison,
    { scratch, image }: { readonly scratch: string; readonly image: string },
  ): Promise<Place[]> {
    const { entries, libraries } = comparison;
    if (comparison.isRelative === true) return [await this.#booksPlace(scratch, { image, entries })];
    const placer = this.#placer(async (folder) => {
      const parameters = [`${folder}/`, `${folder}/`];
      return textsIn(await this.#all({ image, sql: sampleSql(entries), parameters }));
    });
    if (libraries === undefined) return placer.places([]);
    const path = `substr(CAST(said AS TEXT), 1, ${SERVER_PATH_BYTES_MAX})`;
    const name = `substr(CAST(title AS TEXT), 1, ${SERVER_TITLE_CHARACTERS_MAX})`;
    const sql = `SELECT ${path}, ${name} FROM (${libraries}) LIMIT ${PROFILE_VALUES_MAX}`;
    const said = (await this.#all({ image, sql })).flatMap(([folder, title]): SaidLibrary[] =>
      typeof folder === 'string' ? [{ said: folder, title: typeof title === 'string' ? title : folder }] : [],
    );
    return placer.places(said);
  }

  #placer(takeSample: TakeSample): Placer {
    const { snapshot } = this.#options;
    return new Placer(this.#repository, { snapshot, server: this.#wanted.server }, takeSample);
  }

  /** The folder that the paths of a Calibre library are relative to. */
  async #booksPlace(
    scratch: string,
    { image, entries }: { readonly image: string; readonly entries: string },
  ): Promise<Place> {
    const split = await this.#splitFolder(scratch);
    if (split === undefined) return relativePlace({ path: this.#wanted.folder, isThere: true });
    const placer = this.#placer(async (folder) => {
      const paths = textsIn(await this.#all({ image, sql: sampleSql(entries), parameters: ['/', '/'] }));
      return paths.map((path) => `${folder}${path}`);
    });
    return relativePlace(await placer.place(split, split));
  }

  /** As the server sees it; undefined where the books lie beside their database. */
  async #splitFolder(scratch: string): Promise<string | undefined> {
    const { part, path, table, columns, sql } = SPLIT_FOLDER;
    const home = this.#wanted.server.parts.find((one) => one.part.name === part);
    if (home === undefined) return undefined;
    const image = await this.#image(scratch, below(home.folder, path));
    if (image === undefined) return undefined;
    const there = await this.#columns(image, table);
    if (!columns.every((column) => there.includes(column))) return undefined;
    const [row] = await this.#all({ image, sql });
    return plainPath(row?.[0]);
  }
}

function relativePlace({ path, isThere }: Pick<Place, 'path' | 'isThere'>): Place {
  return { said: '/', title: baseName(path).toString('utf8'), path, isThere };
}

function textsIn(rows: readonly (readonly RowValue[])[]): string[] {
  return rows.flatMap(([value]) => (typeof value === 'string' ? [value] : []));
}
