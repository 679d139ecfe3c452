/**
 * Files whose pieces lie in several tasks: made under a temporary name beside their place, kept open while tasks write
 * into them, and renamed when the last piece is there. Few are open at once; the others are opened again when needed.
 */

import { EngineError } from '../../base/errors.ts';
import { LARGE_FILES_OPEN_MAX } from '../../base/limits.ts';
import { readMode, STAT_BYTES, STAT_OFFSET } from '../../base/stat.ts';
import { type FileHandle, FileSystemError, LISTING_EXTRA_WORDS, type StatTarget } from '../../filesystem/types.ts';
import { decodeRow } from '../../format/row.ts';
import type { RestoreContext } from './context.ts';
import { fileTarget, metadataMessage, setMetadata } from './metadata.ts';
import type { OtherEntries } from './other-entries.ts';
import type { LargeFile, PlannedFile } from './planned-file.ts';

export class LargeFiles {
  readonly #context: RestoreContext;
  readonly #others: OtherEntries;
  /** Every file that has a temporary name; those with a handle are open. */
  readonly #files = new Set<PlannedFile>();
  readonly #open = new Set<PlannedFile>();
  readonly #stat: StatTarget = { block: Buffer.alloc(STAT_BYTES), extras: new Uint32Array(LISTING_EXTRA_WORDS) };

  constructor(context: RestoreContext, others: OtherEntries) {
    this.#context = context;
    this.#others = others;
  }

  /** Opens the file under its temporary name and keeps it open until unpin. Throws FileSystemError and TARGET_FAILED. */
  pin(file: PlannedFile): FileHandle {
    const large = file.large ?? this.#create(file);
    const { fileSystem, directories } = this.#context.parts;
    large.handle ??= this.#context.guard(file.directory, () =>
      fileSystem.openWritableAt(directories.use(file.directory), large.name),
    );
    this.#open.delete(file);
    this.#open.add(file);
    large.pins++;
    this.#closeSome();
    return large.handle;
  }

  unpin(file: PlannedFile): void {
    if (file.large === undefined) return;
    file.large.pins--;
    if (file.large.pins === 0 && file.state === 'failed') this.#forget(file);
  }

  #create(file: PlannedFile): LargeFile {
    const { fileSystem, directories } = this.#context.parts;
    this.#context.changing(file.directory);
    return this.#context.guard(file.directory, () => {
      const name = this.#others.temporaryName();
      const handle = fileSystem.createFileAt(directories.use(file.directory), name);
      const large: LargeFile = { name, handle, pins: 0 };
      file.large = large;
      this.#files.add(file);
      // What is never written stays a hole.
      fileSystem.truncate(handle, file.size);
      return large;
    });
  }

  #closeSome(): void {
    for (const file of this.#open) {
      if (this.#open.size <= LARGE_FILES_OPEN_MAX) return;
      if (file.large !== undefined && file.large.pins === 0) this.#close(file);
    }
  }

  #close(file: PlannedFile): void {
    this.#open.delete(file);
    const handle = file.large?.handle;
    if (file.large === undefined || handle === undefined) return;
    file.large.handle = undefined;
    this.#context.parts.fileSystem.close(handle);
  }

  /** Gives the file its metadata and its name; returns the digest of the finished entry. Throws FileSystemError. */
  finish(file: PlannedFile): Buffer {
    const { fileSystem, directories } = this.#context.parts;
    const handle = this.dress(file);
    const { large } = file;
    if (large === undefined) throw new EngineError('INTERNAL', 'A large file has no temporary name');
    const directory = directories.use(file.directory);
    this.#context.guard(file.directory, () => fileSystem.renameAt(directory, large.name, directory, file.name));
    fileSystem.statFile(handle, this.#stat);
    this.#forget(file);
    return this.#digest(file);
  }

  #digest(file: PlannedFile): Buffer {
    const directoryKey = file.directory.key;
    const row = file.mark === undefined ? file.row : Buffer.concat([file.row, file.mark]);
    return this.#context.digester.digest({ directoryKey, row, stat: this.#stat.block, at: 0 });
  }

  /** Gives the file its metadata, under its temporary name. Throws FileSystemError. */
  dress(file: PlannedFile): FileHandle {
    const handle = this.pin(file);
    this.#setMetadata(file, handle);
    return handle;
  }

  /** Absolute path of an image, which is closed: SQLite opens it next. */
  imagePath(file: PlannedFile): Buffer {
    this.#close(file);
    return this.#context.parts.directories.path(file.directory, file.large?.name);
  }

  /** The image has got its name from somebody else; returns the digest of the entry. Throws FileSystemError. */
  finishImage(file: PlannedFile): Buffer {
    const { fileSystem, directories } = this.#context.parts;
    fileSystem.statAt(directories.use(file.directory), file.name, this.#stat);
    this.#forget(file);
    return this.#digest(file);
  }

  /** The image is gone: what it held was written into the file that was there, which gets the metadata. Throws FileSystemError. */
  finishWritten(file: PlannedFile): void {
    this.#forget(file);
    const { fileSystem, directories } = this.#context.parts;
    const handle = fileSystem.openFileAt(directories.use(file.directory), file.name);
    try {
      this.#setMetadata(file, handle);
    } finally {
      fileSystem.close(handle);
    }
  }

  #setMetadata(file: PlannedFile, handle: FileHandle): void {
    const { fileSystem } = this.#context.parts;
    // The directory may have handed its own group down.
    fileSystem.statFile(handle, this.#stat);
    const { block } = this.#stat;
    const current = {
      uid: block.readUInt32LE(STAT_OFFSET.uid),
      gid: block.readUInt32LE(STAT_OFFSET.gid),
      mode: readMode(block, 0),
      mtime: undefined,
      attributes: fileSystem.fileAttributes(handle),
    };
    setMetadata(fileTarget(fileSystem, handle), decodeRow(file.row, 'a row'), current, (during, code) =>
      this.#context.problem({ ...file, during }, code, metadataMessage(during, code)),
    );
  }

  /** Removes what there is of it. Tasks may still write: its descriptor is closed when the last one is answered. */
  discard(file: PlannedFile): void {
    if (file.large === undefined) return;
    try {
      const { fileSystem, directories } = this.#context.parts;
      fileSystem.unlinkAt(directories.use(file.directory), file.large.name);
    } catch (error) {
      if (!(error instanceof FileSystemError)) throw error;
    }
    if (file.large.pins === 0) this.#forget(file);
  }

  #forget(file: PlannedFile): void {
    this.#close(file);
    this.#files.delete(file);
    file.large = undefined;
  }

  discardAll(): void {
    for (const file of [...this.#files]) this.discard(file);
  }
}
