/** Where the configuration file is. */

import { accessSync, constants, existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { environment } from '../environment.ts';

/** Looked at in this order: a person's own comes before the machine's. Only one file is ever used. */
export function defaultConfigPlaces(): readonly string[] {
  const base = process.env['XDG_CONFIG_HOME'];
  const own = base?.startsWith('/') ? base : join(homedir(), '.config');
  return [join(own, 'snap', 'config.yaml'), '/etc/snap/config.yaml'];
}

/** The file that was named, or the first of the default places that has one. */
export function findConfigFile(named: string | undefined): string | undefined {
  const file = named ?? environment('SNAP_CONFIG');
  if (file !== undefined) return resolve(file);
  return defaultConfigPlaces().find((place) => existsSync(place) && isReadable(place));
}

/** The machine's file may be for root alone, and others work here with flags of their own. */
function isReadable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch {
    process.stderr.write(`snap: ${file} is there, but not readable for this user: it is not used\n`);
    return false;
  }
}
