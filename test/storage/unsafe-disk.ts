/**
 * A disk that forgets: the system calls of LocalBackend over a real folder, written down in order, which can stop at any
 * of them (a kill) and then lose whatever was not synced (a power cut).
 */

import { readdirSync, rmSync, truncateSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type FileOperations, systemFileOperations } from '../../engine/storage/local.ts';

export class PowerCut extends Error {}

interface FileState {
  path: string;
  synced: boolean;
}

export class UnsafeDisk implements FileOperations {
  readonly calls: string[] = [];
  readonly #root: string;
  readonly #callsMax: number;
  readonly #files = new Map<FileHandle, FileState>();
  /** By path: entries made and not yet synced into their folder. */
  readonly #unsynced = new Set<string>();

  /** Every call after the first `callsMax` fails, and does nothing. */
  constructor(root: string, callsMax = Number.POSITIVE_INFINITY) {
    this.#root = root;
    this.#callsMax = callsMax;
  }

  #call(text: string): void {
    if (this.calls.length >= this.#callsMax) throw new PowerCut('the power is gone');
    this.calls.push(text);
  }

  #relative(path: string): string {
    const relative = path.slice(this.#root.length + 1);
    return relative.startsWith('tmp/') ? 'tmp/*' : relative;
  }

  async makeFolder(path: string): Promise<void> {
    this.#call(`mkdir ${this.#relative(path)}`);
    await systemFileOperations.makeFolder(path);
    this.#unsynced.add(path);
  }

  async openNew(path: string): Promise<FileHandle> {
    this.#call(`open ${this.#relative(path)}`);
    const handle = await systemFileOperations.openNew(path);
    this.#files.set(handle, { path, synced: false });
    this.#unsynced.add(path);
    return handle;
  }

  async writev(handle: FileHandle, parts: readonly Uint8Array[], position: number): Promise<number> {
    this.#call('write');
    return systemFileOperations.writev(handle, parts, position);
  }

  async size(handle: FileHandle): Promise<number> {
    this.#call('size');
    return systemFileOperations.size(handle);
  }

  async fsync(handle: FileHandle): Promise<void> {
    this.#call('fsync');
    await systemFileOperations.fsync(handle);
    const state = this.#files.get(handle);
    if (state !== undefined) state.synced = true;
  }

  async link(from: string, to: string): Promise<void> {
    this.#call(`link ${this.#relative(to)}`);
    await systemFileOperations.link(from, to);
    this.#unsynced.add(to);
    for (const state of this.#files.values()) if (state.path === from) state.path = to;
  }

  async rename(from: string, to: string): Promise<void> {
    this.#call(`rename ${this.#relative(to)}`);
    await systemFileOperations.rename(from, to);
    this.#unsynced.add(to);
    for (const state of this.#files.values()) if (state.path === from) state.path = to;
  }

  async unlink(path: string): Promise<void> {
    this.#call(`unlink ${this.#relative(path)}`);
    await systemFileOperations.unlink(path);
  }

  async fsyncDirectory(path: string): Promise<void> {
    this.#call(`fsync of ${path === this.#root ? 'the root' : this.#relative(path)}`);
    await systemFileOperations.fsyncDirectory(path);
    for (const entry of this.#unsynced) if (dirname(entry) === path) this.#unsynced.delete(entry);
  }

  /** What was not synced is lost: bytes always, names where `namesToo`, since a name may reach the disk by itself. */
  lose(namesToo: boolean): void {
    for (const { path, synced } of this.#files.values()) {
      if (!synced && readdirSync(dirname(path)).includes(basename(path))) truncateSync(path, 0);
    }
    if (namesToo) for (const path of this.#unsynced) rmSync(join(path), { recursive: true, force: true });
  }
}

/** Calls as another one does them, some of them replaced. */
export function withOperations(replaced: Partial<FileOperations>): FileOperations {
  return { ...systemFileOperations, ...replaced };
}

/** What a system call throws. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: simulated`), { code });
}
