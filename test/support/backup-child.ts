/** A process that runs one backup through the engine and prints what came of it, and what memory it took. */

import { readFileSync } from 'node:fs';
import { isEngineError } from '../../engine/base/errors.ts';
import { backup } from '../../engine/operations/backup/backup.ts';
import { Repository } from '../../engine/repository/repository.ts';
import { createLocation } from '../../engine/storage/open.ts';

export interface BackupChildReport {
  readonly error: string | undefined;
  readonly snapshot: string | undefined;
  readonly files: number;
  readonly bytesRead: number;
  readonly dataAdded: number;
  readonly packed: number;
  /** Largest resident set of the process, in MiB. */
  readonly memoryMiB: number;
  readonly durationMs: number;
}

const [location = '', cacheDirectory = '', source = '', workers = '2'] = process.argv.slice(2);
const backend = await createLocation(location);
const repository = await Repository.open({ backend, credential: { type: 'none' }, cacheDirectory });
const begunMs = performance.now();
let error: string | undefined;
const result = await backup(repository, { paths: [Buffer.from(source)], workers: Number(workers) }).catch(
  (thrown: unknown) => {
    error = isEngineError(thrown) ? thrown.code : String(thrown);
  },
);
const report: BackupChildReport = {
  error,
  snapshot: result?.snapshot?.id,
  files: result?.counts.totalFilesProcessed ?? 0,
  bytesRead: result?.bytesRead ?? 0,
  dataAdded: result?.counts.dataAdded ?? 0,
  packed: result?.counts.dataAddedPacked ?? 0,
  memoryMiB: Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]) / 1024,
  durationMs: performance.now() - begunMs,
};
process.stdout.write(JSON.stringify(report));
