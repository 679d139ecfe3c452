/** Chooses the implementation of the file system. */

import { EngineError } from '../base/errors.ts';
import { PortableFileSystem } from './portable.ts';
import { PosixFileSystem } from './posix.ts';
import type { FileSystem } from './types.ts';

export interface FileSystemOptions {
  /** Take the one that needs Node alone. */
  readonly portable?: boolean;
}

/** The fast one, through the C library, on Linux; the portable one, which can do less, wherever that does not load. */
export function createFileSystem(options: FileSystemOptions = {}): FileSystem {
  if (process.platform === 'win32') throw new EngineError('INVALID_ARGUMENT', 'snap does not run on Windows so far');
  if (options.portable === true || process.platform !== 'linux') return new PortableFileSystem();
  try {
    return new PosixFileSystem();
  } catch {
    // No prebuilt koffi for this machine, or a C library without one of the calls.
    return new PortableFileSystem();
  }
}
