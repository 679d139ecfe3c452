/**
 * Reads files, cuts them, and stores the chunks that are new: the work of one worker. It runs in a thread, or in the
 * main thread where a store cannot be reached from another one.
 */

import { crc32 } from 'node:zlib';
import { ByteWriter } from '../../base/bytes.ts';
import { EngineError } from '../../base/errors.ts';
import { BLOB_ID_BYTES, type BlobId } from '../../base/ids.ts';
import {
  BATCH_FILE_BYTES_MAX,
  CHUNK_LARGE_BYTES_MAX,
  FILE_STEP_BYTES,
  MIB,
  READ_ATTEMPTS_MAX,
} from '../../base/limits.ts';
import { readSize, STAT_BYTES } from '../../base/stat.ts';
import { Chunker, type ChunkerParameters, chunkerParameters } from '../../codec/chunker.ts';
import { Compressor } from '../../codec/compression.ts';
import { fileClass, isSqliteHead } from '../../codec/file-class.ts';
import {
  type DirectoryHandle,
  type FileHandle,
  type FileSystem,
  FileSystemError,
  LISTING_EXTRA_WORDS,
} from '../../filesystem/types.ts';
import { type Content, type ContentEntry, NO_CONTENT, writeRow } from '../../format/row.ts';
import { BlobWriter, type StoredPack } from '../../repository/blob-writer.ts';
import type { RunClaims, SharedClaims } from '../../repository/run-claims.ts';
import type { Store } from '../../repository/sealed-files.ts';
import {
  type BatchResult,
  type BatchTask,
  type Baton,
  FILE_DATABASE,
  FILE_FAILED,
  FILE_GREW,
  FILE_STORED,
  FILE_UNSTABLE,
  type FileFailure,
  type StepClass,
  type StepResult,
  type StepTask,
  type TaskEffects,
} from './messages.ts';

const STEP_ENTRY_BYTES = 8 + BLOB_ID_BYTES;
const HEAD_BYTES = 512;
/** How much more is read at a time to find the cut point behind a step's end. */
const OVERHANG_BYTES = MIB;

export interface FileStoreOptions {
  readonly claims: RunClaims;
  readonly compressionLevel: number | 'off';
  /** Answer FILE_DATABASE for SQLite files in batches. */
  readonly sniffDatabases: boolean;
  /** Count and cut, but store nothing. */
  readonly dryRun: boolean;
  readonly onStored: (pack: StoredPack) => void;
}

/** The parts of a stat block that a file keeps while it is only read: all but the flags. */
export function sameStat(a: Uint8Array, b: Buffer): boolean {
  return b.compare(a, 4, STAT_BYTES, 4, STAT_BYTES) === 0 && a[0] === b[0] && a[1] === b[1];
}

export class FileStore {
  readonly #store: Store;
  readonly #fileSystem: FileSystem;
  readonly #options: FileStoreOptions;
  readonly #writer: BlobWriter;
  readonly #chunker: Chunker;
  readonly #claims: RunClaims;
  readonly #target = { block: Buffer.alloc(STAT_BYTES), extras: new Uint32Array(LISTING_EXTRA_WORDS) };
  #bytesNew = 0;
  #bytesRead = 0;

  constructor(store: Store, fileSystem: FileSystem, options: FileStoreOptions) {
    this.#store = store;
    this.#fileSystem = fileSystem;
    this.#options = options;
    this.#claims = options.claims;
    const compressor = new Compressor(options.compressionLevel);
    this.#writer = new BlobWriter(store, { kind: 'data', compressor, onStored: options.onStored });
    this.#chunker = new Chunker(store.keys.gearTable(), FILE_STEP_BYTES + CHUNK_LARGE_BYTES_MAX);
  }

  updateClaims(shared: SharedClaims): Promise<void> {
    return this.#claims.update(shared);
  }

  /** What the calls since the last one cost; also waits while too many packs are being written. */
  async settle(): Promise<TaskEffects> {
    const effects = { bytesNew: this.#bytesNew, bytesRead: this.#bytesRead };
    this.#bytesNew = 0;
    this.#bytesRead = 0;
    await this.#writer.settle();
    return effects;
  }

  /** Waits until nothing is being written any more. Never throws. */
  idle(): Promise<void> {
    return this.#writer.idle();
  }

  /** Everything that was stored is durable afterwards. */
  flush(): Promise<void> {
    return this.#writer.flush();
  }

  // ---- batches of small files

  runBatch(task: BatchTask): BatchResult {
    const files = Buffer.from(task.files.buffer, task.files.byteOffset, task.files.byteLength);
    const directories = task.directories.map((directory) =>
      this.#fileSystem.adoptDirectory(directory.fd, Buffer.from(directory.path)),
    );
    const rows = new ByteWriter(task.count * 160);
    const problems: FileFailure[] = [];
    let at = 0;
    for (let file = 0; file < task.count; file++) {
      const directory = directories[files.readUInt16LE(at)];
      const nameEnd = at + 4 + files.readUInt16LE(at + 2);
      const name = files.subarray(at + 4, nameEnd);
      const stat = files.subarray(nameEnd, nameEnd + STAT_BYTES);
      at = nameEnd + STAT_BYTES;
      if (directory === undefined)
        throw new EngineError('INTERNAL', 'A batch names a directory that it does not carry');
      try {
        this.#storeSmallFile(rows, { directory, name, stat });
      } catch (error) {
        if (!(error instanceof FileSystemError)) throw error;
        rows.u8(FILE_FAILED);
        problems.push({ file, during: error.call, code: error.code });
      }
    }
    return { type: 'batch', rows: rows.finish(), problems };
  }

  #storeSmallFile(
    rows: ByteWriter,
    file: { readonly directory: DirectoryHandle; readonly name: Buffer; readonly stat: Buffer },
  ): void {
    const handle = this.#fileSystem.openFileAt(file.directory, file.name);
    try {
      const memory = this.#chunker.memory;
      let stat = file.stat;
      let stable = false;
      let length = 0;
      for (let attempt = 0; attempt < READ_ATTEMPTS_MAX && !stable; attempt++) {
        length = this.#readToEnd(handle, memory);
        if (length > BATCH_FILE_BYTES_MAX) {
          rows.u8(FILE_GREW);
          return;
        }
        this.#fileSystem.statFile(handle, this.#target);
        stable = length === readSize(this.#target.block, 0) && sameStat(stat, this.#target.block);
        if (!stable) stat = Buffer.from(this.#target.block);
      }
      const bytes = memory.subarray(0, length);
      if (this.#options.sniffDatabases && isSqliteHead(bytes)) {
        rows.u8(FILE_DATABASE);
        return;
      }
      if (!stable) setSize(stat, length);
      this.#bytesRead += length;
      const attributes = this.#fileSystem.fileAttributes(handle);
      const content = this.#storeBytes(file.name, bytes);
      rows.u8(stable ? FILE_STORED : FILE_UNSTABLE);
      const checksum = length === 0 ? undefined : crc32(bytes);
      writeRow(rows, { name: file.name, stat, content, crc32: checksum, attributes, unstable: !stable });
    } finally {
      this.#fileSystem.close(handle);
    }
  }

  #readToEnd(handle: FileHandle, memory: Buffer): number {
    let length = 0;
    while (length <= BATCH_FILE_BYTES_MAX) {
      const wanted = BATCH_FILE_BYTES_MAX + 1 - length;
      const count = this.#fileSystem.read(handle, memory, { offset: length, length: wanted, position: length });
      if (count === 0) break;
      length += count;
      // A short read that fits the end of the file is nearly always the end; statFile tells afterwards.
      if (count < wanted) break;
    }
    return length;
  }

  /** Cuts and stores a whole file, which lies at the start of the chunker's memory. */
  #storeBytes(name: Buffer, bytes: Buffer): Content {
    const { length } = bytes;
    if (length === 0) return NO_CONTENT;
    const parameters = chunkerParameters(fileClass(name, length, bytes));
    if (length <= parameters.min) return { kind: 'single', blobId: this.#storeChunk(bytes) };
    const entries: ContentEntry[] = [];
    for (let start = 0; start < length; ) {
      const chunk = this.#chunker.cut(parameters, start, length);
      entries.push({ length: chunk, blobId: this.#storeChunk(bytes.subarray(start, start + chunk)) });
      start += chunk;
    }
    const [only] = entries;
    if (entries.length === 1 && only?.blobId !== undefined) return { kind: 'single', blobId: only.blobId };
    return { kind: 'list', entries };
  }

  #storeChunk(bytes: Buffer): BlobId {
    const id = this.#store.keys.hashers.data.digest(bytes, BLOB_ID_BYTES) as BlobId;
    if (this.#claims.claim(id)) {
      this.#bytesNew += bytes.length;
      if (!this.#options.dryRun) this.#writer.add(id, bytes);
    }
    return id;
  }

  // ---- steps of large files

  async runStep(task: StepTask, onBaton: (baton: Baton) => void): Promise<StepResult> {
    const directory = this.#fileSystem.adoptDirectory(task.directory.fd, Buffer.from(task.directory.path));
    let handle: FileHandle;
    try {
      handle = this.#fileSystem.openFileAt(directory, Buffer.from(task.name));
    } catch (error) {
      return failedStep(error);
    }
    try {
      this.#fileSystem.statFile(handle, this.#target);
      if (!task.lenient && !sameStat(task.stat, this.#target.block)) return { type: 'step', outcome: 'changed' };
      return await this.#step(task, handle, onBaton);
    } catch (error) {
      return failedStep(error);
    } finally {
      this.#fileSystem.forget(handle);
      this.#fileSystem.close(handle);
    }
  }

  async #step(task: StepTask, handle: FileHandle, onBaton: (baton: Baton) => void): Promise<StepResult> {
    const size = readSize(Buffer.from(task.stat), 0);
    const cls = task.fileClass ?? this.#classOf(task, handle, size);
    if (cls === 'database') return { type: 'step', outcome: 'database' };
    const parameters = chunkerParameters(cls);
    const entries = new ByteWriter(64 * STEP_ENTRY_BYTES);
    const stepEnd = task.position + FILE_STEP_BYTES;
    let position = task.position;
    while (position < size && position < stepEnd) {
      const region = this.#nextRegion(task, handle, { position, size });
      if (region.start > position) {
        pushEntry(entries, region.start - position, undefined);
        position = region.start;
      }
      if (position >= size || position >= stepEnd) break;
      const run = this.#readRegion(handle, parameters, { start: position, end: region.end, stepEnd });
      if (run === undefined) {
        if (!task.lenient) return { type: 'step', outcome: 'changed' };
        return storedStep(entries, { end: position, last: true, fileClass: cls });
      }
      position += run.bytes;
      if (position >= stepEnd && position < size) onBaton({ position, fileClass: cls });
      let start = 0;
      for (const length of run.cuts) {
        pushEntry(entries, length, this.#storeChunk(this.#chunker.memory.subarray(start, start + length)));
        start += length;
        await this.#writer.settle();
      }
    }
    return storedStep(entries, { end: position, last: position >= size, fileClass: cls });
  }

  #classOf(task: StepTask, handle: FileHandle, size: number): StepClass | 'database' {
    const { memory } = this.#chunker;
    const count = this.#fileSystem.read(handle, memory, { offset: 0, length: HEAD_BYTES, position: 0 });
    const head = memory.subarray(0, count);
    if (task.sniff && isSqliteHead(head)) return 'database';
    return fileClass(Buffer.from(task.name), size, head);
  }

  /** The next run of data at or after `position`; for a file that is not sparse, all of the rest. */
  #nextRegion(
    task: StepTask,
    handle: FileHandle,
    at: { readonly position: number; readonly size: number },
  ): { start: number; end: number } {
    if (!task.sparse) return { start: at.position, end: at.size };
    const data = this.#fileSystem.nextData(handle, at.position);
    if (data < 0 || data >= at.size) return { start: at.size, end: at.size };
    const hole = this.#fileSystem.nextHole(handle, data, at.size);
    return { start: data, end: hole <= data ? at.size : Math.min(hole, at.size) };
  }

  /**
   * Reads from `start` as much of a region as belongs to this step, and cuts it. The last chunk may reach beyond the
   * step's end; the next step begins behind it. Undefined where the file ended early.
   */
  #readRegion(
    handle: FileHandle,
    parameters: ChunkerParameters,
    at: { readonly start: number; readonly end: number; readonly stepEnd: number },
  ): { bytes: number; cuts: number[] } | undefined {
    const { memory } = this.#chunker;
    const budget = Math.min(at.end, at.stepEnd) - at.start;
    const most = Math.min(at.end - at.start, budget + CHUNK_LARGE_BYTES_MAX, memory.length);
    const cuts: number[] = [];
    let length = 0;
    let start = 0;
    // What lies beyond the step is read piece by piece, for it is cut by the next step if this one does not need it.
    for (let wanted = budget; ; wanted = Math.min(most, length + OVERHANG_BYTES)) {
      while (length < wanted) {
        const position = at.start + length;
        const count = this.#fileSystem.read(handle, memory, { offset: length, length: wanted - length, position });
        if (count === 0) return undefined;
        length += count;
        this.#bytesRead += count;
      }
      while (start < budget) {
        const chunk = this.#chunker.cut(parameters, start, length);
        // Without a cut point before the end of what was read, the chunk may be longer than that.
        if (start + chunk === length && chunk < parameters.max && length < most) break;
        cuts.push(chunk);
        start += chunk;
      }
      if (start >= budget) break;
    }
    return { bytes: start, cuts };
  }
}

function setSize(stat: Buffer, size: number): void {
  const offset = 24;
  stat.writeUInt32LE(size % 0x1_0000_0000, offset);
  stat.writeUInt32LE(Math.floor(size / 0x1_0000_0000), offset + 4);
}

/** An entry as a StepResult and the journal hold it. */
export function pushEntry(entries: ByteWriter, length: number, id: BlobId | undefined): void {
  const at = entries.reserve(STEP_ENTRY_BYTES);
  entries.backing.writeDoubleLE(length * 2 + (id === undefined ? 1 : 0), at);
  if (id === undefined) entries.backing.fill(0, at + 8, at + STEP_ENTRY_BYTES);
  else id.copy(entries.backing, at + 8);
}

/** The entries of a StepResult. */
export function decodeStepEntries(bytes: Uint8Array): ContentEntry[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: ContentEntry[] = [];
  for (let at = 0; at < buffer.length; at += STEP_ENTRY_BYTES) {
    const coded = buffer.readDoubleLE(at);
    const hole = coded % 2 === 1;
    const blobId = hole ? undefined : (buffer.subarray(at + 8, at + STEP_ENTRY_BYTES) as BlobId);
    entries.push({ length: Math.floor(coded / 2), blobId });
  }
  return entries;
}

function storedStep(
  entries: ByteWriter,
  at: { readonly end: number; readonly last: boolean; readonly fileClass: StepClass },
): StepResult {
  return { type: 'step', outcome: 'stored', entries: entries.finish(), ...at };
}

function failedStep(error: unknown): StepResult {
  if (!(error instanceof FileSystemError)) throw error;
  return { type: 'step', outcome: 'failed', during: error.call, code: error.code };
}
