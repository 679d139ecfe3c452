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
  | 'SNAP_COMPRESSION'
  | 'SNAP_CONFIG'
  | 'SNAP_LISTEN'
  | 'SNAP_STATE_DIR';

export function environment(name: VariableName): string | undefined {
  return environmentBytes(name)?.toString('utf8');
}

/** True where the variable, or the one that names its file, says something. */
export function isInEnvironment(name: VariableName): boolean {
  return [process.env[name], process.env[`${name}_FILE`]].some((value) => value !== undefined && value !== '');
}

/** The value as bytes: a file of NAME_FILE need not be text. One closing line break is not part of it. */
export function environmentBytes(name: VariableName): Buffer | undefined {
  const value = process.env[name];
  if (value !== undefined && value !== '') return Buffer.from(value, 'utf8');
  const file = process.env[`${name}_FILE`];
  if (file === undefined || file === '') return undefined;
  try {
    return firstLine(readFileSync(file));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new EngineError('INVALID_ARGUMENT', `${name}_FILE cannot be read: ${why}`, error);
  }
}

/** One closing line break is not part of a password, nor of any other value that a file holds. */
export function firstLine(bytes: Buffer): Buffer {
  let end = bytes.length;
  if (bytes[end - 1] === 0x0a) end--;
  if (end > 0 && bytes[end - 1] === 0x0d) end--;
  return bytes.subarray(0, end);
}

export function defaultCacheDirectory(): string {
  const base = process.env['XDG_CACHE_HOME'];
  return join(base?.startsWith('/') ? base : join(homedir(), '.cache'), 'snap');
}

/** Where the server keeps its own state. */
export function defaultStateDirectory(): string {
  const base = process.env['XDG_STATE_HOME'];
  return join(base?.startsWith('/') ? base : join(homedir(), '.local', 'state'), 'snap');
}
