/** The command that opens the page on what the quickstart stored. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface StoredPlace {
  /** Holds the repository; the server's state comes beside it. */
  readonly folder: string;
  readonly location: string;
  readonly cacheDirectory: string;
  readonly password: string;
}

/**
 * For a shell, in lines. The password goes into a file beside the repository. Flags say all of it, since they beat what the
 * environment or a configuration file of this machine says of another repository.
 */
export function openingCommand({ folder, location, cacheDirectory, password }: StoredPlace): readonly string[] {
  const passwordFile = join(folder, 'password');
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  const program = fileURLToPath(new URL('../main.js', import.meta.url));
  return [
    `node ${quoted(program)} serve --config /dev/null \\`,
    `  --repo ${quoted(location)} --password-file ${quoted(passwordFile)} \\`,
    `  --cache-dir ${quoted(cacheDirectory)} --state ${quoted(join(folder, 'state'))}`,
  ];
}

/** As a shell takes it for one word. */
function quoted(text: string): string {
  return /^[\w./@+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
