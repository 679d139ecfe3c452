/** Argon2id as it is: blocks the thread it runs in. */

import { argon2id } from 'hash-wasm';

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
