/**
 * Makes a directory and those above it. Node's own recursive mkdir never ends where the kernel denies a parent with
 * ENOENT, as /proc does.
 */

import { mkdirSync, statSync } from 'node:fs';
import { errnoCode } from './errors.ts';

/** Throws the system's error of the first directory that cannot be made; one that exists is left as it is. */
export function makeDirectories(path: string | Buffer, mode = 0o777): void {
  const bytes = Buffer.from(path as string);
  try {
    mkdirSync(bytes, { mode });
  } catch (error) {
    const code = errnoCode(error);
    if (code === 'EEXIST' && statSync(bytes).isDirectory()) return;
    const slash = bytes.lastIndexOf(0x2f);
    if (code !== 'ENOENT' || slash <= 0) throw error;
    makeDirectories(bytes.subarray(0, slash), mode);
    if (slash < bytes.length - 1) makeOne(bytes, mode);
  }
}

function makeOne(path: Buffer, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    // Somebody else made it meanwhile.
    if (errnoCode(error) !== 'EEXIST' || !statSync(path).isDirectory()) throw error;
  }
}
