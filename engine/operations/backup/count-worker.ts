/** Entry of the thread that counts the sources while the backup runs. */

import { parentPort, workerData } from 'node:worker_threads';
import { type LoadedMark, markLoaded } from '../../base/threads.ts';
import { createFileSystem } from '../../filesystem/create.ts';
import { type CountOptions, countSources } from './count-sources.ts';

export interface CountWorkerData {
  readonly options: CountOptions;
  readonly loaded: LoadedMark;
}

const { options, loaded } = workerData as CountWorkerData;
const fileSystem = createFileSystem();
markLoaded(loaded);
// Buffers arrive as plain arrays of bytes.
const paths = options.paths.map((path) => Buffer.from(path));
parentPort?.postMessage(countSources(fileSystem, { ...options, paths }));
