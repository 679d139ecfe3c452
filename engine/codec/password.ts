/** Argon2id for passwords, in a worker thread, because it blocks the one it runs in. */

import { Worker } from 'node:worker_threads';
import { EngineError } from '../base/errors.ts';
import { GIB, KIB, PASSWORD_ITERATIONS_MAX, PASSWORD_PARALLELISM_MAX } from '../base/limits.ts';
import { deriveKey, type PasswordParameters } from './password-key.ts';

export type { PasswordParameters } from './password-key.ts';

const MEMORY_KIB_MAX = GIB / KIB;
/** Memory times iterations: below this, deriving takes less than starting a thread. */
const INLINE_KIB_MAX = 1024;

/** True for parameters that this program derives keys with. */
export function isWithinBounds(parameters: PasswordParameters): boolean {
  const { memoryKiB, iterations, parallelism, salt } = parameters;
  return (
    [memoryKiB, iterations, parallelism].every(Number.isInteger) &&
    parallelism >= 1 &&
    parallelism <= PASSWORD_PARALLELISM_MAX &&
    iterations >= 1 &&
    iterations <= PASSWORD_ITERATIONS_MAX &&
    memoryKiB >= 8 * parallelism &&
    memoryKiB <= MEMORY_KIB_MAX &&
    salt.length >= 8 &&
    salt.length <= 64
  );
}

function requireBounds(parameters: PasswordParameters): void {
  if (isWithinBounds(parameters)) return;
  const { memoryKiB, iterations, parallelism } = parameters;
  throw new EngineError(
    'INVALID_ARGUMENT',
    `Argon2id with ${memoryKiB} KiB, ${iterations} iterations and parallelism ${parallelism} is beyond the bounds (8 KiB to ${MEMORY_KIB_MAX} KiB, at most ${PASSWORD_ITERATIONS_MAX} iterations)`,
  );
}

/** A key of 32 bytes. INVALID_ARGUMENT for parameters out of bounds. */
export async function derivePasswordKey(password: Buffer, parameters: PasswordParameters): Promise<Buffer> {
  requireBounds(parameters);
  if (parameters.memoryKiB * parameters.iterations <= INLINE_KIB_MAX) {
    return Buffer.from(await deriveKey(password, parameters));
  }
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./password-worker.js', import.meta.url), {
      workerData: { password: new Uint8Array(password), ...parameters },
    });
    worker.once('message', (key: Uint8Array) => resolve(Buffer.from(key)));
    worker.once('error', reject);
    worker.once('exit', () => reject(new EngineError('INTERNAL', 'The password worker ended without a key')));
  });
}
