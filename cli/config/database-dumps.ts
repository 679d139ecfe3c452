/** Database servers whose dumps the engine takes. This is the one place to switch a kind on. */

import type { Config } from './schema.ts';

type DumpKey = 'postgresql_databases' | 'mariadb_databases';

const DUMPS_TAKEN: { readonly [key in DumpKey]: boolean } = {
  postgresql_databases: false,
  mariadb_databases: false,
};

/** Keys that are understood and cannot be carried out: never left out in silence. */
export function refuseDumps(config: Config): { readonly key: DumpKey; readonly message: string }[] {
  return (['postgresql_databases', 'mariadb_databases'] as const)
    .filter((key) => !DUMPS_TAKEN[key] && (config[key]?.length ?? 0) > 0)
    .map((key) => ({
      key,
      message: `${key}: this version cannot dump these yet, and a backup without them would only look complete. Let a command before: backup dump them into a source directory, and take the key out`,
    }));
}
