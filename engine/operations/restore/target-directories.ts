/**
 * Directories of the target, opened when they are needed and closed when too many are open. Each is opened from its
 * parent's handle without following, so that neither a planted link nor the length of a path matters (trap 11).
 */

import { hash } from 'node:crypto';
import type { DirectoryHandle, FileSystem } from '../../filesystem/types.ts';

const SLASH = Buffer.from('/');
const KEY_BYTES = 16;
const NO_NAME = Buffer.alloc(0);

export class TargetDirectory {
  readonly parent: TargetDirectory | undefined;
  readonly name: Buffer;
  /** Stands for the path below the target: a hash over all names of it. */
  readonly key: Buffer;
  handle: DirectoryHandle | undefined;
  /** How many tasks need the handle. */
  pins = 0;
  /** Something in it was made, renamed or removed by this run. */
  changed = false;

  constructor(parent: TargetDirectory | undefined, name: Buffer, seed: Buffer = name) {
    this.parent = parent;
    this.name = name;
    const above = parent?.key ?? Buffer.alloc(KEY_BYTES);
    this.key = hash('sha256', Buffer.concat([above, seed]), 'buffer').subarray(0, KEY_BYTES);
  }
}

export class DirectoryTable {
  readonly #fileSystem: FileSystem;
  readonly #openMax: number;
  /** Least recently used first. Roots stay open, and are not in it. */
  readonly #open = new Set<TargetDirectory>();
  /** Paths of the targets. */
  readonly #roots = new Map<TargetDirectory, Buffer>();
  #first: TargetDirectory | undefined;

  constructor(fileSystem: FileSystem, openMax: number) {
    this.#fileSystem = fileSystem;
    this.#openMax = openMax;
  }

  /** A target. The handle is undefined in a dry run where it does not exist. It is closed with the table. */
  addRoot(target: { readonly path: Buffer; readonly handle: DirectoryHandle | undefined }): TargetDirectory {
    const root = new TargetDirectory(undefined, NO_NAME, this.#first === undefined ? NO_NAME : target.path);
    root.handle = target.handle;
    root.pins = 1;
    this.#roots.set(root, target.path);
    this.#first ??= root;
    return root;
  }

  /** The first target: the journal lies in it. */
  get root(): TargetDirectory {
    if (this.#first === undefined) throw new RangeError('A restore without a target');
    return this.#first;
  }

  /** The handle of a directory, valid until the next call unless it is pinned. Throws FileSystemError. */
  use(directory: TargetDirectory): DirectoryHandle {
    if (directory.handle !== undefined) {
      if (directory.parent !== undefined) {
        this.#open.delete(directory);
        this.#open.add(directory);
      }
      return directory.handle;
    }
    const chain: TargetDirectory[] = [];
    let above: TargetDirectory = directory;
    while (above.handle === undefined && above.parent !== undefined) {
      chain.push(above);
      above = above.parent;
    }
    if (above.handle === undefined) throw new RangeError('A directory of a target that does not exist is used');
    let handle = this.use(above);
    for (const next of chain.reverse())
      handle = this.#opened(next, this.#fileSystem.openDirectoryAt(handle, next.name));
    return handle;
  }

  #opened(directory: TargetDirectory, handle: DirectoryHandle): DirectoryHandle {
    directory.handle = handle;
    this.#open.add(directory);
    if (this.#open.size > this.#openMax) this.#closeOldest(directory);
    return handle;
  }

  #closeOldest(keep: TargetDirectory): void {
    for (const oldest of this.#open) {
      if (this.#open.size <= this.#openMax) return;
      if (oldest.pins > 0 || oldest === keep) continue;
      this.#close(oldest);
    }
  }

  #close(directory: TargetDirectory): void {
    this.#open.delete(directory);
    const { handle } = directory;
    directory.handle = undefined;
    if (handle !== undefined) this.#fileSystem.close(handle);
  }

  /** Keeps the handle open until unpin. */
  pin(directory: TargetDirectory): DirectoryHandle {
    const handle = this.use(directory);
    directory.pins++;
    return handle;
  }

  unpin(directory: TargetDirectory): void {
    directory.pins--;
  }

  /** Absolute path of an entry, or of the directory itself; for messages. */
  path(directory: TargetDirectory, name?: Buffer): Buffer {
    const parts: Buffer[] = name === undefined ? [] : [name, SLASH];
    let at = directory;
    for (; at.parent !== undefined; at = at.parent) parts.push(at.name, SLASH);
    const root = this.#roots.get(at) ?? SLASH;
    parts.push(root.equals(SLASH) ? NO_NAME : root);
    const path = Buffer.concat(parts.reverse());
    return path.length === 0 ? SLASH : path;
  }

  closeAll(): void {
    for (const directory of [...this.#open]) this.#close(directory);
    for (const root of this.#roots.keys()) {
      const { handle } = root;
      root.handle = undefined;
      if (handle !== undefined) this.#fileSystem.close(handle);
    }
  }
}
