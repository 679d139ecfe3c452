/** Stores what a producer streams as one file: cut and hashed as it comes, never held as a whole. */

import { EngineError, throwIfAborted } from '../../base/errors.ts';
import { BLOB_ID_BYTES, type BlobId } from '../../base/ids.ts';
import { CHUNK_LARGE_BYTES_MAX, MIB, NAME_BYTES_MAX } from '../../base/limits.ts';
import { S_IFREG, STAT_BYTES, type Time, writeStat } from '../../base/stat.ts';
import { Chunker, type ChunkerParameters, chunkerParameters } from '../../codec/chunker.ts';
import { fileClass } from '../../codec/file-class.ts';
import { type ContentEntry, encodeRow } from '../../format/row.ts';
import type { BlobWriter } from '../../repository/blob-writer.ts';
import type { RunClaims } from '../../repository/run-claims.ts';
import type { Store } from '../../repository/sealed-files.ts';
import type { TreeWriter } from '../../repository/tree-writer.ts';
import type { RunContext } from './run-context.ts';
import type { DirectoryResult } from './scan-types.ts';

export interface StreamSource {
  readonly stream: AsyncIterable<Buffer>;
  /** The file's name at the root of the snapshot. */
  readonly name: Buffer;
  /** Awaited at the end of the stream, before anything is committed: rejects where the producer failed (trap 20). */
  readonly succeeded: Promise<void>;
}

const MEMORY_BYTES = 8 * MIB + CHUNK_LARGE_BYTES_MAX;
const HEAD_BYTES = 512;

export interface StreamStoreOptions {
  readonly store: Store;
  readonly claims: RunClaims;
  readonly writer: BlobWriter;
  readonly trees: TreeWriter;
  readonly context: RunContext;
  readonly dryRun: boolean;
}

export class StreamStore {
  readonly #options: StreamStoreOptions;
  readonly #chunker: Chunker;
  readonly #entries: ContentEntry[] = [];
  #parameters: ChunkerParameters | undefined;
  #filled = 0;
  #size = 0;

  constructor(options: StreamStoreOptions) {
    this.#options = options;
    this.#chunker = new Chunker(options.store.keys.gearTable(), MEMORY_BYTES);
  }

  /** Saves a root tree with the one file. COMMAND_FAILED, or whatever `succeeded` rejects with; INTERRUPTED. */
  async save(source: StreamSource): Promise<DirectoryResult> {
    const { context, trees } = this.#options;
    requireName(source.name);
    const { memory } = this.#chunker;
    for await (const piece of source.stream) {
      for (let at = 0; at < piece.length; ) {
        const taken = piece.copy(memory, this.#filled, at);
        this.#filled += taken;
        at += taken;
        if (this.#filled === memory.length) await this.#cut(source.name, CHUNK_LARGE_BYTES_MAX);
      }
      throwIfAborted(context.signal);
      context.progress(source.name);
    }
    await source.succeeded;
    await this.#cut(source.name, 0);
    context.counts.totalFilesProcessed = 1;
    context.counts.filesNew = 1;
    const now = nowTime();
    const stat = Buffer.alloc(STAT_BYTES);
    writeStat(stat, 0, {
      mode: S_IFREG | 0o600,
      uid: process.getuid?.() ?? 0,
      gid: process.getgid?.() ?? 0,
      links: 1,
      inode: 0n,
      size: this.#size,
      mtime: now,
      ctime: now,
    });
    const row = encodeRow({ name: source.name, stat, content: trees.saveContent(this.#entries, this.#size) });
    return { treeId: trees.saveDirectory([row]), filesBelow: 1, bytesBelow: this.#size };
  }

  /** Cuts until no more than `keep` bytes are left, and moves those to the front. */
  async #cut(name: Buffer, keep: number): Promise<void> {
    const { memory } = this.#chunker;
    // The class never depends on the length, which nobody knows yet.
    this.#parameters ??= chunkerParameters(
      fileClass(name, MIB, memory.subarray(0, Math.min(this.#filled, HEAD_BYTES))),
    );
    let start = 0;
    while (start < this.#filled && this.#filled - start > keep) {
      const length = this.#chunker.cut(this.#parameters, start, this.#filled);
      this.#store(start, length);
      start += length;
      await this.#options.writer.settle();
    }
    memory.copyWithin(0, start, this.#filled);
    this.#filled -= start;
  }

  #store(start: number, length: number): void {
    const { store, claims, writer, context, dryRun } = this.#options;
    const bytes = this.#chunker.memory.subarray(start, start + length);
    const blobId = store.keys.hashers.data.digest(bytes, BLOB_ID_BYTES) as BlobId;
    this.#entries.push({ length, blobId });
    this.#size += length;
    context.counts.totalBytesProcessed += length;
    context.counts.bytesRead += length;
    if (!claims.claim(blobId)) return;
    context.counts.bytesNew += length;
    if (!dryRun) writer.add(blobId, bytes);
  }
}

function requireName(name: Buffer): void {
  const text = name.toString('latin1');
  if (name.length === 0 || name.length > NAME_BYTES_MAX || text === '.' || text === '..' || /[/\0]/.test(text)) {
    throw new EngineError('INVALID_ARGUMENT', `"${name.toString('utf8')}" cannot be the name of a file`);
  }
}

function nowTime(): Time {
  const ms = Date.now();
  return { seconds: Math.floor(ms / 1000), nanoseconds: (ms % 1000) * 1_000_000 };
}
