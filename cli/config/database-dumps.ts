/** Database servers that the configuration file names, as the flags `--postgres` and `--mariadb` would. */

import type { Config } from './schema.ts';

interface ServerFlags {
  readonly postgres?: readonly string[];
  readonly mariadb?: readonly string[];
}

/** Flags win: a list on the command line replaces the file's. */
export function configuredServers<Flags extends ServerFlags>(flags: Flags, config: Config): Flags {
  const postgres = flags.postgres ?? config.postgresql_databases?.map(urlOf);
  const mariadb = flags.mariadb ?? config.mariadb_databases?.map(urlOf);
  return { ...flags, ...(postgres === undefined ? {} : { postgres }), ...(mariadb === undefined ? {} : { mariadb }) };
}

/** `name` and `password_file` are parts of the address for those who do not like to write URLs. */
function urlOf(database: NonNullable<Config['postgresql_databases']>[number]): string {
  const { url, name, password_file: passwordFile } = database;
  const query = url.indexOf('?');
  const [place, settings] = query < 0 ? [url, ''] : [url.slice(0, query), url.slice(query + 1)];
  const named = name === undefined ? place : `${place.replace(/\/+$/, '')}/${encodeURIComponent(name)}`;
  const all = [
    ...(settings === '' ? [] : [settings]),
    ...(passwordFile === undefined ? [] : [`password_file=${encodeURIComponent(passwordFile)}`]),
  ];
  return all.length === 0 ? named : `${named}?${all.join('&')}`;
}
