/** Environment variables; each also as NAME_FILE, a file that holds the value (Docker secrets). */

import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { EngineError } from '../engine/index.ts';

export type VariableName =
  | 'SNAP_REPOSITORY'
  | 'SNAP_PASSWORD'
  | 'SNAP_PASSWORD_COMMAND'
  | 'SNAP_CACHE_DIR'
  | 'SNAP_HOST'
  | 'SNAP_COMPRESSION';

export function environment(name: VariableName): string | undefined {
  const value = process.env[name];
  if (value !== undefined && value !== '') return value;
  const file = process.env[`${name}_FILE`];
  if (file === undefined || file === '') return undefined;
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new EngineError('INVALID_ARGUMENT', `${name}_FILE cannot be read: ${why}`, error);
  }
}

export function defaultCacheDirectory(): string {
  const base = process.env['XDG_CACHE_HOME'];
  return join(base?.startsWith('/') ? base : join(homedir(), '.cache'), 'snap');
}
