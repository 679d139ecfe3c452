/** Exports a snapshot, or a part of it, as one portable file. */

import type { Problem } from '../../base/errors.ts';
import { COMPRESSION_LEVEL_DEFAULT, PROGRESS_INTERVAL_MS, SNAPSHOT_PROBLEMS_MAX } from '../../base/limits.ts';
import type { NodeType } from '../../base/stat.ts';
import { ZstdCompressor } from '../../codec/zstd-stream.ts';
import { readContent } from '../../repository/content-pieces.ts';
import type { Repository } from '../../repository/repository.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import { gathered } from './gathered.ts';
import type { ExportOptions, ExportResult } from './options.ts';
import { ServerBackup, type ServerItem } from './server-backup.ts';
import { tarStream } from './tar-stream.ts';
import { ArchiveWalk, type WalkedEntry, ZIP_TYPES } from './walk.ts';
import { ZipStream } from './zip-stream.ts';

const TAR_TYPES: ReadonlySet<NodeType> = new Set(['file', 'dir', 'symlink', 'fifo', 'chardev', 'dev']);

/**
 * The archive's bytes in order; the generator returns what it holds. The same snapshot gives the same bytes. A tar carries
 * times to the nanosecond, owners, attributes, hard links, holes and devices; a zip carries files, directories, symbolic
 * links, modes, owners' numbers and times. What the format has no place for is told to the monitor. A backup of a server
 * (server-backup.ts) has its database and metadata; what of them is missing is a problem. Throws PATH_NOT_FOUND,
 * SNAPSHOT_NOT_FOUND, DATABASE_FAILED, OBJECT_CORRUPT, OBJECT_MISSING, INTERRUPTED: what came until then is no archive.
 */
export async function* exportSnapshot(
  repository: Repository,
  options: ExportOptions,
): AsyncGenerator<Buffer, ExportResult> {
  const startedMs = performance.now();
  const snapshot = await repository.snapshots.find(options.snapshot, options.filter);
  await repository.loadIndex();
  const run = new ExportRun(repository, snapshot, options);
  let archiveBytes = 0;
  for await (const piece of run.pieces()) {
    archiveBytes += piece.length;
    yield piece;
  }
  return { ...run.result(), archiveBytes, totalDuration: (performance.now() - startedMs) / 1000 };
}

class ExportRun {
  readonly #repository: Repository;
  readonly #snapshot: Snapshot;
  readonly #options: ExportOptions;
  readonly #leftOut: { [type in NodeType]?: number } = {};
  readonly #problems: Problem[] = [];
  #files = 0;
  #bytes = 0;
  #lastProgressMs = 0;

  constructor(repository: Repository, snapshot: Snapshot, options: ExportOptions) {
    this.#repository = repository;
    this.#snapshot = snapshot;
    this.#options = options;
  }

  result(): Pick<ExportResult, 'snapshot' | 'files' | 'bytes' | 'leftOut' | 'problems'> {
    const [snapshot, files, bytes] = [this.#snapshot, this.#files, this.#bytes];
    return { snapshot, files, bytes, leftOut: this.#leftOut, problems: this.#problems };
  }

  pieces(): AsyncGenerator<Buffer> {
    const told = {
      onEntry: (walked: Pick<WalkedEntry, 'entry'>) => this.#noteEntry(walked),
      onBytes: (bytes: number) => {
        this.#bytes += bytes;
      },
    };
    if (this.#options.format === 'audiobookshelf') return gathered(this.#serverPieces(told));
    if (this.#options.format === 'zip') {
      let walks = 0;
      const zip = new ZipStream<WalkedEntry>({
        walk: () => this.#walk(++walks === 1).entries(),
        content: ({ node }) => readContent(this.#repository.blobs, node, { signal: this.#options.signal }),
        deflates: this.#options.compression === 'off' ? 'never' : 'worth',
        ...told,
      });
      return gathered(zip.pieces());
    }
    const tar = tarStream(this.#repository, this.#walk(true).entries(), told);
    if (this.#options.format === 'tar') return gathered(tar);
    const { compression = COMPRESSION_LEVEL_DEFAULT } = this.#options;
    return compressed(gathered(tar), compression === 'off' ? 1 : compression);
  }

  async *#serverPieces(told: {
    readonly onEntry: (item: ServerItem) => void;
    readonly onBytes: (bytes: number) => void;
  }): AsyncGenerator<Buffer> {
    const backup = await ServerBackup.prepare({
      ...this.#options.server,
      repository: this.#repository,
      snapshot: this.#snapshot,
      path: this.#options.path,
      problem: (problem) => {
        if (this.#problems.length < SNAPSHOT_PROBLEMS_MAX) this.#problems.push(problem);
        this.#options.monitor?.problem?.(problem);
      },
      signal: this.#options.signal,
    });
    let walks = 0;
    const zip = new ZipStream<ServerItem>({
      walk: () => backup.items(++walks === 1),
      content: (item) => backup.content(item),
      // As the server does.
      deflates: 'always',
      ...told,
    });
    yield* zip.pieces();
  }

  #walk(tells: boolean): ArchiveWalk {
    const isZip = this.#options.format === 'zip';
    return new ArchiveWalk({
      repository: this.#repository,
      snapshot: this.#snapshot,
      path: this.#options.path,
      types: isZip ? ZIP_TYPES : TAR_TYPES,
      hardLinks: !isZip,
      ownEntry: !isZip,
      onLeftOut: ({ type }, path) => {
        if (!tells) return;
        this.#leftOut[type] = (this.#leftOut[type] ?? 0) + 1;
        this.#options.monitor?.note?.(
          `${path.toString('utf8')} is left out: a ${this.#options.format} has no place for a ${type}`,
        );
      },
      signal: this.#options.signal,
    });
  }

  #noteEntry({ entry }: Pick<WalkedEntry, 'entry'>): void {
    if (entry.type !== 'dir') this.#files++;
    const now = performance.now();
    if (now - this.#lastProgressMs < PROGRESS_INTERVAL_MS) return;
    this.#lastProgressMs = now;
    this.#options.monitor?.progress?.({
      filesDone: this.#files,
      bytesDone: this.#bytes,
      filesTotal: undefined,
      bytesTotal: undefined,
      bytesNew: this.#bytes,
      problems: this.#problems.length,
      currentPath: entry.path.toString('utf8'),
    });
  }
}

async function* compressed(pieces: AsyncIterable<Buffer>, level: number): AsyncGenerator<Buffer> {
  const compressor = new ZstdCompressor(level);
  for await (const piece of pieces) yield* compressor.compress(piece);
  yield* compressor.finish();
}
