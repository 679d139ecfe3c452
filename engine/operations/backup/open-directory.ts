/** A directory that stays open while the scan or any task still needs it. */

import type { DirectoryHandle, FileSystem } from '../../filesystem/types.ts';

export class OpenDirectory {
  readonly handle: DirectoryHandle;
  readonly #fileSystem: FileSystem;
  #users = 1;

  constructor(fileSystem: FileSystem, handle: DirectoryHandle) {
    this.#fileSystem = fileSystem;
    this.handle = handle;
  }

  retain(): void {
    this.#users++;
  }

  release(): void {
    this.#users--;
    if (this.#users === 0) this.#fileSystem.close(this.handle);
  }
}
