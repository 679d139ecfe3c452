/** Servers whose folders somebody wants to back up: which profiles fit, and what a person should know of each. */

import { statSync } from 'node:fs';
import { type DetectedServer, detectServers } from '../../engine/index.ts';

export interface ServerFindings {
  readonly profile: string;
  readonly title: string;
  readonly folder: string;
  /** Why it was recognised. */
  readonly reason: string;
  /** SQLite files. */
  readonly databases: readonly { readonly path: string; readonly what: string }[];
  /** Databases in Postgres or MariaDB. */
  readonly dumps: readonly { readonly kind: string; readonly name: string | undefined; readonly what: string }[];
  readonly warnings: readonly string[];
  readonly advice: readonly string[];
}

/** INTERRUPTED after the signal. */
export async function findServers(
  paths: readonly string[],
  options: { readonly cacheDirectory: string; readonly signal: AbortSignal },
): Promise<{ readonly servers: readonly ServerFindings[]; readonly detected: readonly DetectedServer[] }> {
  const folders = paths.filter((path) => statSync(path).isDirectory()).map((path) => Buffer.from(path));
  const found = folders.length === 0 ? [] : await detectServers({ paths: folders, ...options });
  const detected = found.filter((one) => !found.some((other) => includes(other, one)));
  return { servers: detected.map(findingsOf), detected };
}

/** True where one is no more than parts of the other: a Calibre library, say, that Calibre-Web manages. */
function includes(other: DetectedServer, one: DetectedServer): boolean {
  const has = ({ folder }: DetectedServer['parts'][number]): boolean =>
    other.parts.some((part) => part.folder.equals(folder));
  return other.parts.length > one.parts.length && one.parts.every(has);
}

function findingsOf(server: DetectedServer): ServerFindings {
  const { profile, title, folder, reasons, databases, serverDatabases, warnings, advice } = server;
  return {
    profile,
    title,
    folder: folder.toString('utf8'),
    reason: reasons[0] ?? '',
    databases: databases.map(({ path, rule }) => ({ path: path.toString('utf8'), what: rule.what })),
    dumps: serverDatabases.map(({ kind, name, what }) => ({ kind, name, what })),
    warnings,
    advice,
  };
}
