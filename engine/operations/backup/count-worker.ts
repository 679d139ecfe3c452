/** Entry of the thread that counts the sources while the backup runs. */

import { parentPort, workerData } from 'node:worker_threads';
import { createFileSystem } from '../../filesystem/create.ts';
import { type CountOptions, countSources } from './count-sources.ts';

const options = workerData as CountOptions;
// Buffers arrive as plain arrays of bytes.
const paths = options.paths.map((path) => Buffer.from(path));
parentPort?.postMessage(countSources(createFileSystem(), { ...options, paths }));
