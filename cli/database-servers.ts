/** Database servers that flags name. Their client programs get this process's environment, but for what is snap's own. */

import { type DatabaseServer, EngineError } from '../engine/index.ts';

const SCHEMES = { postgres: /^postgres(?:ql)?:/i, mariadb: /^(?:mariadb|mysql):/i } as const;

export function databaseServers(options: {
  readonly postgres?: readonly string[];
  readonly mariadb?: readonly string[];
}): DatabaseServer[] {
  return (['postgres', 'mariadb'] as const).flatMap((flag) =>
    (options[flag] ?? []).map((url) => {
      // The URL itself is not repeated: it may hold a password.
      if (!SCHEMES[flag].test(url)) {
        const example = flag === 'postgres' ? 'postgresql://user@host/database' : 'mariadb://user@host/database';
        throw new EngineError('INVALID_ARGUMENT', `--${flag} takes a URL such as ${example}`);
      }
      return databaseServer(url);
    }),
  );
}

export function databaseServer(url: string): DatabaseServer {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('SNAP_'));
  return { url, environment: Object.fromEntries(inherited) };
}

/** The flag that asks for a dump of a database, for somebody to complete. */
export function dumpFlag({ kind, name }: { readonly kind: string; readonly name?: string | undefined }): string {
  const flag = kind === 'mariadb' ? 'mariadb' : 'postgres';
  return `--${flag} ${dumpAddress({ kind, name })}`;
}

export function dumpAddress({ kind, name }: { readonly kind: string; readonly name?: string | undefined }): string {
  return `${kind}://USER@HOST/${name ?? 'DATABASE'}`;
}
