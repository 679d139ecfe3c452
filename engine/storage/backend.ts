/**
 * Where repository files live. A backend writes each file once, whole and durably, and never overwrites one: everything
 * above relies on it, and the contract suite (test/storage/contract.ts) proves it for every backend.
 */

/** Kinds of repository files; each has a folder of its own, but for `config`, which lies at the top (FORMAT.md, "Layout"). */
export const FILE_KINDS = ['config', 'key', 'pack', 'index', 'snapshot', 'annotation', 'mark', 'lock'] as const;
export type FileKind = (typeof FILE_KINDS)[number];

export interface StoredFile {
  readonly name: string;
  readonly bytes: number;
  /** By the store's clock, in milliseconds since 1970. */
  readonly modifiedMs: number;
}

/** Part of a file, in bytes. */
export interface ReadRange {
  readonly offset: number;
  readonly length: number;
  /** Memory that the reader would like to have used; nobody else touches it until the promise settles. */
  readonly into?: Buffer | undefined;
}

/**
 * A file that is written piece by piece. It has no name before finish() settles; after a failure nothing is left of it.
 * One call at a time.
 */
export interface FileWriter {
  /** The parts must not change until the promise settles. */
  append(parts: readonly Uint8Array[]): Promise<void>;
  /** The rest of what write() promises: length check, fsync, the name, fsync of the directory. */
  finish(): Promise<void>;
  /** Gives it up. Never throws, and may come after a failure. */
  abandon(): Promise<void>;
}

/**
 * All failures are EngineErrors: OBJECT_MISSING (no such file), OBJECT_EXISTS (write of a name that is taken),
 * OBJECT_CORRUPT (fewer bytes than were asked for), OBJECT_UNREADABLE (this one file cannot be read, while the store
 * answers), STORAGE_FAILED (everything else: full, read-only, unreachable), with the system's error as `cause`. A failed write leaves nothing under the name.
 */
export interface Backend {
  /** For people: a path or a URL without secrets. */
  readonly location: string;
  /** What another thread needs to open the same store; undefined where it cannot (memory). */
  readonly address: BackendAddress | undefined;
  /**
   * Stores the concatenation of `parts` under a new name: temporary file, write, length check, fsync, rename without
   * replacing, fsync of the directory. The parts must not change until the promise settles.
   */
  write(kind: FileKind, name: string, parts: readonly Uint8Array[]): Promise<void>;
  /** A new file that needs not be in memory as a whole; undefined where a store takes whole files only. */
  readonly begin?: ((kind: FileKind, name: string) => Promise<FileWriter>) | undefined;
  /**
   * The whole file, or exactly `range.length` bytes at `range.offset`. The caller owns the result. Where `range.into` has
   * room, the result may be a view of its start.
   */
  read(kind: FileKind, name: string, range?: ReadRange): Promise<Buffer>;
  /** Length in bytes, or undefined where there is no such file. */
  size(kind: FileKind, name: string): Promise<number | undefined>;
  /** Every file of a kind, in no promised order. A listing that fails throws: an error is never an empty list. */
  list(kind: FileKind): AsyncIterable<StoredFile>;
  /** As list(), the names alone, many at a time: for stores where each length takes a call of its own. Undefined elsewhere. */
  readonly names?: ((kind: FileKind) => AsyncIterable<readonly string[]>) | undefined;
  /** Removing what is not there is no error. */
  remove(kind: FileKind, name: string): Promise<void>;
  /** Removes what killed writers left half written, once it is old enough that none can be at it. Never throws. */
  tidy(nowMs: number): Promise<void>;
  /**
   * Keeps bytes of the disk aside, for a prune when it is full; zero gives them back. Fewer, or none, where there is little
   * room. Never throws.
   */
  reserve(bytes: number): Promise<void>;
  /** Free bytes of the store, or undefined where that has no meaning. */
  freeBytes(): Promise<number | undefined>;
  close(): Promise<void>;
}

/** The name of every file of a kind, however the store tells it. */
export async function* listNames(backend: Backend, kind: FileKind): AsyncGenerator<string> {
  if (backend.names !== undefined) for await (const names of backend.names(kind)) yield* names;
  else for await (const { name } of backend.list(kind)) yield name;
}

/** The same in one list: of very many names, most of the time goes into handing them over one by one. */
export async function collectNames(backend: Backend, kind: FileKind): Promise<string[]> {
  const all: string[] = [];
  if (backend.names === undefined) for await (const { name } of backend.list(kind)) all.push(name);
  else for await (const names of backend.names(kind)) for (const name of names) all.push(name);
  return all;
}

/** Structured-cloneable address of a store. */
export interface BackendAddress {
  readonly type: 'local';
  readonly path: string;
}
