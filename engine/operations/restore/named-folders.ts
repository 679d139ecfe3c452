/** Which folders the databases of a server name, as the server sees them, and some of what lies in each. */

import { isEngineError } from '../../base/errors.ts';
import { SERVER_SAMPLE_MAX } from '../../base/limits.ts';
import { type RowValue, readRows } from '../../databases/sqlite-rows.ts';
import { below } from '../../profiles/recognise.ts';
import type { PathColumn } from '../../profiles/types.ts';
import { type ColumnRule, pathSaid, selectOf } from '../../repository/server-folders.ts';
import type { SnapshotServer } from '../../repository/snapshot-servers.ts';
import type { DatabaseImages } from './database-images.ts';

export interface NamedFolders {
  /** Library folders, each with paths below it that rows name, or that it has to have; at most SERVER_SAMPLE_MAX. */
  readonly libraries: ReadonlyMap<string, readonly string[]>;
  /** Folders of another use, those of backups. */
  readonly others: ReadonlySet<string>;
}

export async function readNamedFolders(server: SnapshotServer, images: DatabaseImages): Promise<NamedFolders> {
  const libraries = new Map<string, readonly string[]>();
  const others = new Set<string>();
  for (const { part, folder } of server.parts) {
    const rules = server.profile.folders.flatMap((rule) => (rule.part !== part.name || 'file' in rule ? [] : [rule]));
    for (const database of new Set(rules.map((rule) => rule.database))) {
      const columns = server.profile.pathColumns.filter((one) => one.part === part.name && one.database === database);
      await images.use(below(folder, database), async ({ image }) => {
        for (const rule of rules.filter((one) => one.database === database)) {
          for (const said of await readNames(image, rule)) {
            if (rule.use !== 'library') others.add(said);
            else libraries.set(said, [...signsOf(server, rule), ...(await sampleOf(image, columns, said))]);
          }
        }
      });
    }
  }
  return { libraries, others };
}

function signsOf({ profile }: SnapshotServer, rule: ColumnRule): string[] {
  const part = profile.parts.find(({ name }) => name === rule.isPart);
  return part?.signs.map(({ path }) => path) ?? [];
}

async function readNames(image: string, rule: ColumnRule): Promise<string[]> {
  const names = await valuesOf({ image, ...selectOf(rule) }, (value) => pathSaid(value, rule));
  return [...new Set(names)];
}

async function sampleOf(image: string, columns: readonly PathColumn[], folder: string): Promise<string[]> {
  const prefix = folder === '/' ? folder : `${folder}/`;
  const sample: string[] = [];
  for (const { table, column, form } of columns) {
    const missing = SERVER_SAMPLE_MAX - sample.length;
    if (form === 'json' || missing <= 0) continue;
    const below = (value: string): string | undefined => {
      const path = pathOf(value, form);
      return path?.startsWith(prefix) === true && path.length > prefix.length ? path.slice(prefix.length) : undefined;
    };
    const name = `"${column.replaceAll('"', '""')}"`;
    const begins = form === 'url' ? 'file:' : prefix;
    const sql = `SELECT CAST(${name} AS TEXT) FROM "${table.replaceAll('"', '""')}" WHERE substr(${name}, 1, length(?)) = ?`;
    sample.push(...(await valuesOf({ image, sql, parameters: [begins, begins] }, below, missing)));
  }
  return sample;
}

function pathOf(value: string, form: PathColumn['form']): string | undefined {
  if (form !== 'url') return value.includes('\0') ? undefined : value;
  try {
    return decodeURIComponent(new URL(value).pathname);
  } catch {
    return undefined;
  }
}

/** What `take` makes of values; none of a version of the server that does not have the table. */
async function valuesOf(
  request: Parameters<typeof readRows>[0],
  take: (value: string) => string | undefined,
  max = Number.POSITIVE_INFINITY,
): Promise<string[]> {
  const found: string[] = [];
  const add = (value: RowValue | undefined): void => {
    const taken = typeof value === 'string' ? take(value) : undefined;
    if (taken !== undefined && found.length < max) found.push(taken);
  };
  try {
    for await (const rows of readRows(request)) {
      for (const [value] of rows) add(value);
      if (found.length >= max) break;
    }
  } catch (error) {
    if (!isEngineError(error, 'DATABASE_FAILED')) throw error;
  }
  return found;
}
