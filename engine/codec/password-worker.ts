/** Entry of the thread that runs Argon2id once. */

import { parentPort, workerData } from 'node:worker_threads';
import { argon2id } from 'hash-wasm';
import type { PasswordParameters } from './password.ts';

const { password, salt, memoryKiB, iterations, parallelism } = workerData as PasswordParameters & {
  readonly password: Uint8Array;
};
const key = await argon2id({
  password,
  salt,
  memorySize: memoryKiB,
  iterations,
  parallelism,
  hashLength: 32,
  outputType: 'binary',
});
parentPort?.postMessage(key);
