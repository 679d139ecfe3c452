/**
 * What a restore has finished. While it is under way, `.snap-restore` in the target says so and lets the same command go
 * on after a kill; at the end the journal becomes a memory in the cache directory, by which a later restore sees that
 * nothing has to be done.
 */

import { createHash, randomBytes } from 'node:crypto';
import { closeSync, fstatSync, openSync, readFileSync, readSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, errnoCode } from '../../base/errors.ts';
import { makeDirectories } from '../../base/make-directories.ts';
import { STAT_BYTES } from '../../base/stat.ts';
import {
  type DirectoryHandle,
  type FileHandle,
  type FileSystem,
  FileSystemError,
  LISTING_EXTRA_WORDS,
} from '../../filesystem/types.ts';
import { JOURNAL_NAME, UNFINISHED_JOURNAL_NAME } from '../../repository/restore-names.ts';
import {
  decodeJournalHead,
  encodeBlock,
  encodeJournalHead,
  JOURNAL_HEAD_BYTES,
  type JournalHead,
  readBlocks,
} from './journal-format.ts';
import { KnownSet } from './known-set.ts';
import { DIGEST_BYTES } from './state-digest.ts';

const FLUSH_DIGESTS = 4096;
const FLUSH_MS = 1000;

function bootMark(): Buffer {
  let boot = '';
  try {
    boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8');
  } catch {
    // Without one, every start counts as another: journals then prove nothing, and content decides.
    boot = randomBytes(16).toString('hex');
  }
  return createHash('sha256').update(boot).digest();
}

/** The head of a journal that lies in the target, if there is one. */
export function findJournal(fileSystem: FileSystem, root: DirectoryHandle | undefined): JournalHead | undefined {
  if (root === undefined) return undefined;
  let file: FileHandle;
  try {
    file = fileSystem.openFileAt(root, JOURNAL_NAME);
  } catch (error) {
    if (error instanceof FileSystemError) return undefined;
    throw error;
  }
  try {
    return decodeJournalHead(readAt(fileSystem, file, 0, JOURNAL_HEAD_BYTES));
  } catch (error) {
    if (error instanceof FileSystemError) return undefined;
    throw error;
  } finally {
    fileSystem.close(file);
  }
}

function readAt(fileSystem: FileSystem, file: FileHandle, position: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) {
    const count = fileSystem.read(file, bytes, { offset: done, length: length - done, position: position + done });
    if (count === 0) break;
    done += count;
  }
  return bytes.subarray(0, done);
}

export interface JournalOptions {
  readonly fileSystem: FileSystem;
  /** Undefined in a dry run whose target does not exist. */
  readonly root: DirectoryHandle | undefined;
  readonly subject: Buffer;
  /** File of the memory in the cache directory. */
  readonly memory: string;
  /** Whether earlier restores into this target may show that a file is right; the interrupted one always may. */
  readonly trustMemory: boolean;
  /** Trusts nothing, so that everything is read. */
  readonly trustNothing: boolean;
  /** A dry run: what lies in the target is read, and stays as it is. */
  readonly readOnly: boolean;
}

export class Journal {
  readonly #options: JournalOptions;
  readonly #known: KnownSet;
  readonly #boot = bootMark();
  /** An interrupted restore of the same is being continued. */
  readonly resumed: boolean;
  readonly token: string;
  /** Part of the names of what the interrupted restore left in the target, whichever that was of. */
  readonly leftToken: string | undefined;
  #file: FileHandle | undefined;
  #end = JOURNAL_HEAD_BYTES;
  #waiting = Buffer.allocUnsafe(FLUSH_DIGESTS * DIGEST_BYTES);
  #waitingBytes = 0;
  #flushedMs = Date.now();

  constructor(options: JournalOptions) {
    this.#options = options;
    const head = findJournal(options.fileSystem, options.root);
    this.resumed = head?.subject.equals(options.subject) === true;
    this.token = this.resumed && head !== undefined ? head.token : randomBytes(4).toString('hex');
    this.leftToken = head?.token;
    const pieces: Buffer[] = [];
    if (head !== undefined && this.resumed) {
      if (options.readOnly) this.#readFor(head, pieces);
      else this.#readOwn(head, pieces);
    }
    if (options.trustMemory) readMemory(options.memory, pieces);
    this.#known = new KnownSet(pieces.reduce((sum, piece) => sum + piece.length / DIGEST_BYTES, 0));
    if (!options.trustNothing) for (const piece of pieces) this.#known.add(piece);
  }

  /** Reads what a dry run may know. */
  #readFor(head: JournalHead, pieces: Buffer[]): void {
    const { fileSystem } = this.#options;
    if (!head.boot.equals(this.#boot)) return;
    const file = fileSystem.openFileAt(this.#root, JOURNAL_NAME);
    try {
      const read = (position: number, length: number): Buffer => readAt(fileSystem, file, position, length);
      readBlocks(JOURNAL_HEAD_BYTES, read, (digests) => pieces.push(digests));
    } finally {
      fileSystem.close(file);
    }
  }

  #readOwn(head: JournalHead, pieces: Buffer[]): void {
    const { fileSystem } = this.#options;
    const file = fileSystem.openWritableAt(this.#root, JOURNAL_NAME);
    this.#file = file;
    this.#lock(file);
    // A kill between its two names leaves both.
    removeIfThere(fileSystem, this.#root, UNFINISHED_JOURNAL_NAME);
    const trusted = head.boot.equals(this.#boot);
    this.#end = readBlocks(
      JOURNAL_HEAD_BYTES,
      (position, length) => readAt(fileSystem, file, position, length),
      (digests) => {
        if (trusted) pieces.push(digests);
      },
    );
    if (trusted) return;
    this.#end = JOURNAL_HEAD_BYTES;
    fileSystem.truncate(file, 0);
    this.#writeHead(file);
  }

  #writeHead(file: FileHandle): void {
    const { fileSystem, subject } = this.#options;
    const bytes = encodeJournalHead({ subject, boot: this.#boot, token: this.token });
    fileSystem.write(file, bytes, { offset: 0, length: bytes.length, position: 0 });
  }

  /** Puts the journal into the target, before anything else is written there. Throws FileSystemError. */
  begin(): void {
    if (this.#file !== undefined) return;
    const { fileSystem } = this.#options;
    this.#removeDead(JOURNAL_NAME);
    this.#removeDead(UNFINISHED_JOURNAL_NAME);
    // It gets its name when it is locked and whole, so that nobody meets it otherwise.
    const name = UNFINISHED_JOURNAL_NAME;
    this.#file = this.#create(name);
    this.#lock(this.#file);
    this.#writeHead(this.#file);
    try {
      fileSystem.linkAt(this.#root, name, this.#root, JOURNAL_NAME);
      fileSystem.unlinkAt(this.#root, name);
    } catch (error) {
      if (!(error instanceof FileSystemError)) throw error;
      if (error.code === 'EEXIST') throw this.#inUse();
      // A file system without hard links.
      fileSystem.renameAt(this.#root, name, this.#root, JOURNAL_NAME);
    }
  }

  #create(name: Buffer): FileHandle {
    try {
      return this.#options.fileSystem.createFileAt(this.#root, name);
    } catch (error) {
      if (error instanceof FileSystemError && error.code === 'EEXIST') throw this.#inUse();
      throw error;
    }
  }

  /** Removes the journal of a restore that is dead. */
  #removeDead(name: Buffer): void {
    const { fileSystem } = this.#options;
    let file: FileHandle;
    try {
      file = fileSystem.openWritableAt(this.#root, name);
    } catch (error) {
      if (!(error instanceof FileSystemError)) throw error;
      if (error.code !== 'ENOENT') removeIfThere(fileSystem, this.#root, name);
      return;
    }
    try {
      this.#lock(file);
      removeIfThere(fileSystem, this.#root, name);
    } finally {
      fileSystem.close(file);
    }
  }

  /** The kernel lets go of it with the process, however that ends. */
  #lock(file: FileHandle): void {
    if (!this.#options.fileSystem.lockFile(file)) throw this.#inUse();
  }

  #inUse(): EngineError {
    const { root } = this.#options;
    return new EngineError(
      'TARGET_IN_USE',
      `Another restore is at work in ${root?.path.toString('utf8') ?? 'this target'}: wait until it has ended`,
    );
  }

  get #root(): DirectoryHandle {
    const { root } = this.#options;
    if (root === undefined) throw new RangeError('A journal is kept in a target that does not exist');
    return root;
  }

  get begun(): boolean {
    return this.#file !== undefined;
  }

  knows(digest: Buffer): boolean {
    return this.#known.touch(digest);
  }

  /** The digest that begins at `at`. */
  add(digests: Uint8Array, at = 0): void {
    for (let byte = 0; byte < DIGEST_BYTES; byte++) this.#waiting[this.#waitingBytes + byte] = digests[at + byte] ?? 0;
    this.#waitingBytes += DIGEST_BYTES;
    if (this.#waitingBytes === this.#waiting.length) this.flush();
  }

  /** Writes what is waiting, at most once a second unless forced. Throws FileSystemError. */
  flush(force = true): void {
    if (this.#waitingBytes === 0 || (!force && Date.now() - this.#flushedMs < FLUSH_MS)) return;
    this.begin();
    const block = encodeBlock(this.#waiting.subarray(0, this.#waitingBytes));
    if (this.#file !== undefined) {
      this.#options.fileSystem.write(this.#file, block, { offset: 0, length: block.length, position: this.#end });
    }
    this.#end += block.length;
    this.#waitingBytes = 0;
    this.#flushedMs = Date.now();
  }

  /** Leaves the journal for the next run. */
  close(): void {
    if (this.#file !== undefined) this.#options.fileSystem.close(this.#file);
    this.#file = undefined;
  }

  /** All is done and on disk: turns the journal into the memory, and takes it out of the target. */
  finish(): void {
    // What waits goes straight into the memory where nothing was written: such a run leaves the target untouched.
    const waiting = this.#waiting.subarray(0, this.#waitingBytes);
    if (this.#file !== undefined || waiting.length > 0 || this.#options.trustMemory) this.#writeMemory(waiting);
    this.close();
    removeIfThere(this.#options.fileSystem, this.#root);
  }

  /** A memory that cannot be kept costs time only, so nothing is thrown. */
  #writeMemory(waiting: Buffer): void {
    const { memory, fileSystem } = this.#options;
    const temporary = `${memory}.${this.token}`;
    try {
      makeDirectories(join(memory, '..'));
      const fd = openSync(temporary, 'w', 0o600);
      try {
        writeSync(fd, encodeJournalHead({ subject: this.#options.subject, boot: this.#boot, token: this.token }));
        for (const piece of this.#known.touched()) writeSync(fd, encodeBlock(piece));
        const file = this.#file;
        if (file !== undefined) {
          const read = (position: number, length: number): Buffer => readAt(fileSystem, file, position, length);
          readBlocks(JOURNAL_HEAD_BYTES, read, (digests) => writeSync(fd, encodeBlock(digests)));
        }
        if (waiting.length > 0) writeSync(fd, encodeBlock(waiting));
      } finally {
        closeSync(fd);
      }
      renameSync(temporary, memory);
    } catch (error) {
      if (errnoCode(error) === undefined) throw error;
    }
  }
}

function removeIfThere(fileSystem: FileSystem, root: DirectoryHandle, name: Buffer = JOURNAL_NAME): void {
  try {
    const target = { block: Buffer.alloc(STAT_BYTES), extras: new Uint32Array(LISTING_EXTRA_WORDS) };
    fileSystem.statAt(root, name, target);
    fileSystem.unlinkAt(root, name);
  } catch (error) {
    if (!(error instanceof FileSystemError) || error.code !== 'ENOENT') throw error;
  }
}

function readMemory(path: string, pieces: Buffer[]): void {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    return;
  }
  try {
    if (fstatSync(fd).size < JOURNAL_HEAD_BYTES) return;
    const read = (position: number, length: number): Buffer => {
      const bytes = Buffer.allocUnsafe(length);
      return bytes.subarray(0, readSync(fd, bytes, 0, length, position));
    };
    if (decodeJournalHead(read(0, JOURNAL_HEAD_BYTES)) === undefined) return;
    readBlocks(JOURNAL_HEAD_BYTES, read, (digests) => pieces.push(digests));
  } finally {
    closeSync(fd);
  }
}
