/** Argon2id as it is: blocks the thread it runs in. */

import { createRequire } from 'node:module';

/** Of one algorithm, and required: an import of the whole collection is read through for its exports in each thread. */
const { argon2id } = createRequire(import.meta.url)('hash-wasm/dist/argon2.umd.min.js') as Pick<
  typeof import('hash-wasm'),
  'argon2id'
>;

export interface PasswordParameters {
  readonly salt: Uint8Array;
  readonly memoryKiB: number;
  readonly iterations: number;
  readonly parallelism: number;
}

/** A key of 32 bytes. */
export function deriveKey(password: Uint8Array, parameters: PasswordParameters): Promise<Uint8Array> {
  const { salt, memoryKiB, iterations, parallelism } = parameters;
  return argon2id({
    password,
    salt,
    memorySize: memoryKiB,
    iterations,
    parallelism,
    hashLength: 32,
    outputType: 'binary',
  });
}
