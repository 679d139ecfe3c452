/** Chooses the implementation of the file system. */

import { EngineError } from '../base/errors.ts';
import { PosixFileSystem } from './posix.ts';
import type { FileSystem } from './types.ts';

/** The fast one, through the C library. Linux on x64 and arm64. */
export function createFileSystem(): FileSystem {
  if (process.platform !== 'linux') {
    throw new EngineError('INVALID_ARGUMENT', `snap runs on Linux only so far, not on ${process.platform}`);
  }
  return new PosixFileSystem();
}
