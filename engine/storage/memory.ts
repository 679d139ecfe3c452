/** A repository in memory, for tests and for small jobs that need no store. */

import { EngineError } from '../base/errors.ts';
import type { Backend, FileKind, ReadRange, StoredFile } from './backend.ts';
import { requireFileName } from './layout.ts';

export class MemoryBackend implements Backend {
  readonly location: string;
  readonly address = undefined;
  readonly #files = new Map<string, { readonly bytes: Buffer; readonly modifiedMs: number }>();

  constructor(location = 'memory:') {
    this.location = location;
  }

  async write(kind: FileKind, name: string, parts: readonly Uint8Array[]): Promise<void> {
    requireFileName(kind, name);
    const key = `${kind}/${name}`;
    if (this.#files.has(key)) throw new EngineError('OBJECT_EXISTS', `${key} exists already; it was not touched`);
    this.#files.set(key, { bytes: Buffer.concat(parts), modifiedMs: Date.now() });
  }

  async read(kind: FileKind, name: string, range?: ReadRange): Promise<Buffer> {
    requireFileName(kind, name);
    const file = this.#files.get(`${kind}/${name}`);
    if (file === undefined) throw new EngineError('OBJECT_MISSING', `${kind}/${name} is missing in the repository`);
    const { offset, length } = range ?? { offset: 0, length: file.bytes.length };
    if (offset + length > file.bytes.length) {
      throw new EngineError(
        'OBJECT_CORRUPT',
        `${kind}/${name} is too short: ${file.bytes.length} bytes, ${offset + length} are needed`,
      );
    }
    return Buffer.from(file.bytes.subarray(offset, offset + length));
  }

  async size(kind: FileKind, name: string): Promise<number | undefined> {
    requireFileName(kind, name);
    return this.#files.get(`${kind}/${name}`)?.bytes.length;
  }

  async *list(kind: FileKind): AsyncGenerator<StoredFile> {
    for (const [key, file] of [...this.#files]) {
      const slash = key.indexOf('/');
      if (key.slice(0, slash) !== kind) continue;
      yield { name: key.slice(slash + 1), bytes: file.bytes.length, modifiedMs: file.modifiedMs };
    }
  }

  async remove(kind: FileKind, name: string): Promise<void> {
    requireFileName(kind, name);
    this.#files.delete(`${kind}/${name}`);
  }

  async tidy(): Promise<void> {}

  async reserve(): Promise<void> {}

  async freeBytes(): Promise<number | undefined> {
    return undefined;
  }

  async close(): Promise<void> {}
}
