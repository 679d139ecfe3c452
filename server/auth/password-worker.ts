/** Entry of the thread that runs Argon2id once. */

import { createRequire } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';

export type PasswordTask =
  | {
      readonly kind: 'hash';
      readonly password: string;
      readonly salt: Uint8Array;
      readonly memoryKiB: number;
      readonly iterations: number;
    }
  | { readonly kind: 'verify'; readonly password: string; readonly hash: string };

/** Of one algorithm: an import of the whole collection is read through for its exports in each thread. */
const { argon2id, argon2Verify } = createRequire(import.meta.url)('hash-wasm/dist/argon2.umd.min.js') as Pick<
  typeof import('hash-wasm'),
  'argon2id' | 'argon2Verify'
>;

async function run(task: PasswordTask): Promise<string | boolean> {
  const password = task.password.normalize('NFKC');
  if (task.kind === 'verify') return argon2Verify({ password, hash: task.hash });
  const { salt, memoryKiB: memorySize, iterations } = task;
  return argon2id({ password, salt, memorySize, iterations, parallelism: 1, hashLength: 32, outputType: 'encoded' });
}

parentPort?.postMessage(await run(workerData as PasswordTask));
