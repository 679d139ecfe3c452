/** Stores what producers stream as files: cut and hashed as it comes, never held as a whole. */

import { EngineError, throwIfAborted } from '../../base/errors.ts';
import { BLOB_ID_BYTES, type BlobId } from '../../base/ids.ts';
import { MIB, NAME_BYTES_MAX } from '../../base/limits.ts';
import { S_IFREG, STAT_BYTES, type Time, writeStat } from '../../base/stat.ts';
import type { FileClass } from '../../codec/file-class.ts';
import { type Content, encodeRow } from '../../format/row.ts';
import type { BlobWriter } from '../../repository/blob-writer.ts';
import type { RunClaims } from '../../repository/run-claims.ts';
import type { Store } from '../../repository/sealed-files.ts';
import { StreamCutter } from '../../repository/stream-cutter.ts';
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

export interface StreamStoreOptions {
  readonly store: Store;
  readonly claims: RunClaims;
  readonly writer: BlobWriter;
  readonly trees: TreeWriter;
  readonly context: RunContext;
  readonly dryRun: boolean;
  /** Awaited behind each chunk, besides the writer: a run with worker threads shares its claims with them. */
  readonly onClaimed?: () => void;
}

/** Takes one stream's bytes, piece by piece. */
export interface StreamedFile {
  /** `piece` may be used again once it resolves. */
  add(piece: Buffer): Promise<void>;
  finish(): Promise<{ readonly content: Content; readonly size: number }>;
}

export class StreamStore {
  readonly #options: StreamStoreOptions;
  readonly #cutter: StreamCutter;

  constructor(options: StreamStoreOptions) {
    this.#options = options;
    this.#cutter = new StreamCutter({
      gearTable: options.store.keys.gearTable(),
      save: (bytes) => this.#store(bytes),
      settle: () => {
        options.onClaimed?.();
        return options.writer.settle();
      },
      checksums: false,
    });
  }

  /** Saves a root tree with the one file. COMMAND_FAILED, or whatever `succeeded` rejects with; INTERRUPTED. */
  async save(source: StreamSource): Promise<DirectoryResult> {
    const { context, trees } = this.#options;
    requireName(source.name);
    const file = this.begin(source.name);
    for await (const piece of source.stream) await file.add(piece);
    await source.succeeded;
    const { content, size } = await file.finish();
    context.counts.totalFilesProcessed = 1;
    context.counts.filesNew = 1;
    const stat = streamedStat(S_IFREG | 0o600, size);
    const row = encodeRow({ name: source.name, stat, content });
    return { treeId: trees.saveDirectory([row]), filesBelow: 1, bytesBelow: size };
  }

  /** Begins a file, the one before being finished or given up. INTERRUPTED from `add` after the signal. */
  begin(name: Buffer, fileClass?: FileClass): StreamedFile {
    const { context, trees } = this.#options;
    const content = trees.beginContent(fileClass?.name === 'rows' ? 'rows' : 'usual');
    // The class never depends on the length, which nobody knows yet.
    this.#cutter.begin(name, MIB, {
      onEntry: (entry) => content.add(entry),
      ...(fileClass === undefined ? {} : { fileClass }),
    });
    return {
      add: async (piece) => {
        await this.#cutter.add(piece);
        await trees.settle();
        throwIfAborted(context.signal);
        context.progress(name);
      },
      finish: async () => {
        const { size } = await this.#cutter.finish();
        return { content: content.finish(size), size };
      },
    };
  }

  #store(bytes: Buffer): BlobId {
    const { store, claims, writer, context, dryRun } = this.#options;
    const blobId = store.keys.hashers.data.digest(bytes, BLOB_ID_BYTES) as BlobId;
    context.counts.totalBytesProcessed += bytes.length;
    context.counts.bytesRead += bytes.length;
    if (!claims.claim(blobId)) return blobId;
    context.counts.bytesNew += bytes.length;
    if (!dryRun) writer.add(blobId, bytes);
    return blobId;
  }
}

function requireName(name: Buffer): void {
  const text = name.toString('latin1');
  if (name.length === 0 || name.length > NAME_BYTES_MAX || text === '.' || text === '..' || /[/\0]/.test(text)) {
    throw new EngineError('INVALID_ARGUMENT', `"${name.toString('utf8')}" cannot be the name of a file`);
  }
}

/** Of something that comes from no file: this process's, of this moment. */
export function streamedStat(mode: number, size: number): Buffer {
  const now = nowTime();
  const stat = Buffer.alloc(STAT_BYTES);
  writeStat(stat, 0, {
    mode,
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    links: 1,
    inode: 0n,
    size,
    mtime: now,
    ctime: now,
  });
  return stat;
}

function nowTime(): Time {
  const ms = Date.now();
  return { seconds: Math.floor(ms / 1000), nanoseconds: (ms % 1000) * 1_000_000 };
}
