/** Small named faults over a store, for what nothing real produces on demand. */

import { EngineError } from '../../engine/base/errors.ts';
import {
  type Backend,
  type BackendAddress,
  FILE_KINDS,
  type FileKind,
  type StoredFile,
} from '../../engine/storage/backend.ts';
import { MemoryBackend } from '../../engine/storage/memory.ts';

/** A store that does what another one does; faults override single methods. Never reached by worker threads. */
export class WrappedBackend implements Backend {
  readonly location: string;
  readonly address: BackendAddress | undefined = undefined;
  readonly inner: Backend;

  constructor(inner: Backend) {
    this.inner = inner;
    this.location = inner.location;
  }

  write(kind: FileKind, name: string, parts: readonly Uint8Array[]): Promise<void> {
    return this.inner.write(kind, name, parts);
  }

  read(kind: FileKind, name: string, range?: { readonly offset: number; readonly length: number }): Promise<Buffer> {
    return this.inner.read(kind, name, range);
  }

  size(kind: FileKind, name: string): Promise<number | undefined> {
    return this.inner.size(kind, name);
  }

  list(kind: FileKind): AsyncIterable<StoredFile> {
    return this.inner.list(kind);
  }

  remove(kind: FileKind, name: string): Promise<void> {
    return this.inner.remove(kind, name);
  }

  tidy(nowMs: number): Promise<void> {
    return this.inner.tidy(nowMs);
  }

  reserve(bytes: number): Promise<void> {
    return this.inner.reserve(bytes);
  }

  freeBytes(): Promise<number | undefined> {
    return this.inner.freeBytes();
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}

/** One file has other bytes than were written. */
export class ReplacedFile extends WrappedBackend {
  readonly #kind: FileKind;
  readonly #name: string;
  readonly #bytes: Buffer;

  constructor(inner: Backend, file: { readonly kind: FileKind; readonly name: string; readonly bytes: Buffer }) {
    super(inner);
    this.#kind = file.kind;
    this.#name = file.name;
    this.#bytes = file.bytes;
  }

  override async read(
    kind: FileKind,
    name: string,
    range?: { readonly offset: number; readonly length: number },
  ): Promise<Buffer> {
    if (kind !== this.#kind || name !== this.#name) return super.read(kind, name, range);
    const { offset, length } = range ?? { offset: 0, length: this.#bytes.length };
    if (offset + length > this.#bytes.length) throw new EngineError('OBJECT_CORRUPT', `${kind}/${name} is too short`);
    return Buffer.from(this.#bytes.subarray(offset, offset + length));
  }

  override async size(kind: FileKind, name: string): Promise<number | undefined> {
    return kind === this.#kind && name === this.#name ? this.#bytes.length : super.size(kind, name);
  }

  override async *list(kind: FileKind): AsyncGenerator<StoredFile> {
    for await (const file of super.list(kind)) {
      yield kind === this.#kind && file.name === this.#name ? { ...file, bytes: this.#bytes.length } : file;
    }
  }
}

/** One file is not there. */
export class MissingFile extends WrappedBackend {
  readonly #kind: FileKind;
  readonly #name: string;

  constructor(inner: Backend, file: { readonly kind: FileKind; readonly name: string }) {
    super(inner);
    this.#kind = file.kind;
    this.#name = file.name;
  }

  override async read(
    kind: FileKind,
    name: string,
    range?: { readonly offset: number; readonly length: number },
  ): Promise<Buffer> {
    if (kind !== this.#kind || name !== this.#name) return super.read(kind, name, range);
    throw new EngineError('OBJECT_MISSING', `${kind}/${name} is missing in the repository`);
  }

  override async size(kind: FileKind, name: string): Promise<number | undefined> {
    return kind === this.#kind && name === this.#name ? undefined : super.size(kind, name);
  }

  override async *list(kind: FileKind): AsyncGenerator<StoredFile> {
    for await (const file of super.list(kind)) if (kind !== this.#kind || file.name !== this.#name) yield file;
  }
}

/** Writes fail from the n-th on, as on a disk that is full. */
export class FailingWrites extends WrappedBackend {
  #left: number;

  constructor(inner: Backend, writesThatSucceed: number) {
    super(inner);
    this.#left = writesThatSucceed;
  }

  override async write(kind: FileKind, name: string, parts: readonly Uint8Array[]): Promise<void> {
    if (this.#left-- <= 0) throw new EngineError('STORAGE_FAILED', `Cannot write ${name}: the disk is full`);
    return super.write(kind, name, parts);
  }
}

/** Listing one kind fails, as on a share that went away. */
export class FailingListing extends WrappedBackend {
  readonly #kind: FileKind;

  constructor(inner: Backend, kind: FileKind) {
    super(inner);
    this.#kind = kind;
  }

  override async *list(kind: FileKind): AsyncGenerator<StoredFile> {
    if (kind === this.#kind) throw new EngineError('STORAGE_FAILED', `Cannot list ${kind}: the store is unreachable`);
    yield* super.list(kind);
  }
}

/** Writes down what is asked of the store, in order: `write pack`, `remove lock` ... */
export class RecordingBackend extends WrappedBackend {
  readonly calls: string[] = [];

  override async write(kind: FileKind, name: string, parts: readonly Uint8Array[]): Promise<void> {
    await super.write(kind, name, parts);
    this.calls.push(`write ${kind}`);
  }

  override list(kind: FileKind): AsyncIterable<StoredFile> {
    this.calls.push(`list ${kind}`);
    return super.list(kind);
  }

  override async remove(kind: FileKind, name: string): Promise<void> {
    await super.remove(kind, name);
    this.calls.push(`remove ${kind}`);
  }
}

/** Every file of a kind has lost its last bytes when it is read, and says so nowhere: a share that truncates silently. */
export class TruncatedFiles extends WrappedBackend {
  readonly #kind: FileKind;
  readonly #bytes: number;

  constructor(inner: Backend, kind: FileKind, bytes = 1) {
    super(inner);
    this.#kind = kind;
    this.#bytes = bytes;
  }

  override async write(kind: FileKind, name: string, parts: readonly Uint8Array[]): Promise<void> {
    const whole = Buffer.concat(parts);
    const kept = kind === this.#kind ? whole.subarray(0, Math.max(0, whole.length - this.#bytes)) : whole;
    return super.write(kind, name, [kept]);
  }
}

/** A byte of every range that is read of a kind is another one: by default in the middle of it. */
export class FlippedBytes extends WrappedBackend {
  readonly #kind: FileKind;

  constructor(inner: Backend, kind: FileKind) {
    super(inner);
    this.#kind = kind;
  }

  override async read(
    kind: FileKind,
    name: string,
    range?: { readonly offset: number; readonly length: number },
  ): Promise<Buffer> {
    const bytes = await super.read(kind, name, range);
    if (kind === this.#kind && bytes.length > 0) {
      const middle = bytes.length >> 1;
      bytes[middle] = (bytes[middle] ?? 0) ^ 0x01;
    }
    return bytes;
  }
}

/** Replaces what is there, as a store without conditional writes does. */
export class OverwritingBackend extends WrappedBackend {
  override async write(kind: FileKind, name: string, parts: readonly Uint8Array[]): Promise<void> {
    await super.remove(kind, name);
    return super.write(kind, name, parts);
  }
}

/** A listing does not show what was written lately, as in a store that lists late. */
export class LateListing extends WrappedBackend {
  override async *list(): AsyncGenerator<StoredFile> {}
}

/** Says that it removed, and did not. */
export class KeepingBackend extends WrappedBackend {
  override async remove(): Promise<void> {}
}

/** Reads of a kind fail, as on a disk with bad sectors or a share that went away. */
export class FailingReads extends WrappedBackend {
  readonly #kind: FileKind;

  constructor(inner: Backend, kind: FileKind) {
    super(inner);
    this.#kind = kind;
  }

  override async read(
    kind: FileKind,
    name: string,
    range?: { readonly offset: number; readonly length: number },
  ): Promise<Buffer> {
    if (kind === this.#kind) throw new EngineError('STORAGE_FAILED', `Cannot read ${kind}/${name}: I/O error`);
    return super.read(kind, name, range);
  }
}

/** One file lies there and cannot be read: a bad sector, or somebody else's. */
export class UnreadableFile extends WrappedBackend {
  readonly #kind: FileKind;
  readonly #name: string;

  constructor(inner: Backend, file: { readonly kind: FileKind; readonly name: string }) {
    super(inner);
    this.#kind = file.kind;
    this.#name = file.name;
  }

  override async read(
    kind: FileKind,
    name: string,
    range?: { readonly offset: number; readonly length: number },
  ): Promise<Buffer> {
    if (kind !== this.#kind || name !== this.#name) return super.read(kind, name, range);
    throw new EngineError('OBJECT_UNREADABLE', `Cannot read ${kind}/${name} in the repository: input/output error`);
  }
}

/**
 * A process that is killed: after so many writes and removals nothing happens any more, and every call fails. `killed`
 * tells whether it came to that.
 */
export class KilledBackend extends WrappedBackend {
  #left: number;
  killed = false;

  constructor(inner: Backend, changesThatHappen: number) {
    super(inner);
    this.#left = changesThatHappen;
  }

  #live(): void {
    if (this.killed) throw new EngineError('STORAGE_FAILED', 'The process was killed');
  }

  #change(): void {
    this.#live();
    if (this.#left-- > 0) return;
    this.killed = true;
    this.#live();
  }

  override async write(kind: FileKind, name: string, parts: readonly Uint8Array[]): Promise<void> {
    this.#change();
    return super.write(kind, name, parts);
  }

  override async remove(kind: FileKind, name: string): Promise<void> {
    this.#change();
    return super.remove(kind, name);
  }

  override async read(
    kind: FileKind,
    name: string,
    range?: { readonly offset: number; readonly length: number },
  ): Promise<Buffer> {
    this.#live();
    return super.read(kind, name, range);
  }

  override async *list(kind: FileKind): AsyncGenerator<StoredFile> {
    this.#live();
    yield* super.list(kind);
  }
}

/** All files of a store in a new one in memory. */
export async function copyOf(backend: Backend, location = backend.location): Promise<MemoryBackend> {
  const copy = new MemoryBackend(location);
  for (const kind of FILE_KINDS) {
    for await (const { name } of backend.list(kind)) await copy.write(kind, name, [await backend.read(kind, name)]);
  }
  return copy;
}

/** Stands still before the first write of a kind, until it is told to go on. */
export class PausingBackend extends WrappedBackend {
  readonly #kind: FileKind;
  readonly #onReached: () => void;
  readonly #goOn: Promise<void>;
  #paused = false;
  readonly reached: Promise<void>;
  readonly resume: () => void;

  constructor(inner: Backend, kind: FileKind) {
    super(inner);
    this.#kind = kind;
    let [onReached, resume] = [(): void => undefined, (): void => undefined];
    this.reached = new Promise((resolve) => {
      onReached = resolve;
    });
    this.#goOn = new Promise((resolve) => {
      resume = resolve;
    });
    this.#onReached = onReached;
    this.resume = resume;
  }

  override async write(kind: FileKind, name: string, parts: readonly Uint8Array[]): Promise<void> {
    if (kind === this.#kind && !this.#paused) {
      this.#paused = true;
      this.#onReached();
      await this.#goOn;
    }
    return super.write(kind, name, parts);
  }
}

/** The store's clock is another one, for all files or some. */
export class ShiftedTimes extends WrappedBackend {
  readonly #shiftMs: (kind: FileKind, name: string) => number;

  constructor(inner: Backend, shiftMs: (kind: FileKind, name: string) => number) {
    super(inner);
    this.#shiftMs = shiftMs;
  }

  override async *list(kind: FileKind): AsyncGenerator<StoredFile> {
    for await (const file of super.list(kind)) {
      yield { ...file, modifiedMs: file.modifiedMs + this.#shiftMs(kind, file.name) };
    }
  }
}

/** Counts what is read of packs, in bytes. */
export class CountedReads extends WrappedBackend {
  packBytes = 0;
  readonly #onPack: () => void;

  constructor(inner: Backend, onPack: () => void = () => undefined) {
    super(inner);
    this.#onPack = onPack;
  }

  override async read(
    kind: FileKind,
    name: string,
    range?: { readonly offset: number; readonly length: number },
  ): Promise<Buffer> {
    const bytes = await super.read(kind, name, range);
    if (kind !== 'pack') return bytes;
    this.packBytes += bytes.length;
    this.#onPack();
    return bytes;
  }
}

/** Writes down the kind of every file that is read. */
export class ReadLog extends WrappedBackend {
  readonly kinds: FileKind[] = [];

  override read(
    kind: FileKind,
    name: string,
    range?: { readonly offset: number; readonly length: number },
  ): Promise<Buffer> {
    this.kinds.push(kind);
    return super.read(kind, name, range);
  }
}
