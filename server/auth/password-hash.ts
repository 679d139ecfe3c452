/** Passwords of people: Argon2id in a worker thread, because it blocks the one it runs in. */

import { randomBytes } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import pLimit from 'p-limit';
import { PASSWORD_ITERATIONS, PASSWORD_MEMORY_KIB, PASSWORDS_UNDER_WAY_MAX, PASSWORDS_WAITING_MAX } from '../limits.ts';
import { ServerError } from '../problems.ts';
import type { PasswordTask } from './password-worker.ts';

export interface PasswordHashCost {
  readonly memoryKiB: number;
  readonly iterations: number;
}

const COST_DEFAULT: PasswordHashCost = { memoryKiB: PASSWORD_MEMORY_KIB, iterations: PASSWORD_ITERATIONS };
const SALT_BYTES = 16;

/** Hashes and compares, so many at a time. BUSY where too many wait. */
export class PasswordHasher {
  readonly #cost: PasswordHashCost;
  readonly #limit = pLimit(PASSWORDS_UNDER_WAY_MAX);
  /** What a password is held against where there is no such user, so that both take the same time. */
  #nobody: Promise<string> | undefined;

  constructor(cost: PasswordHashCost = COST_DEFAULT) {
    this.#cost = cost;
  }

  /** The hash with its parameters and salt, as text. */
  async hash(password: string): Promise<string> {
    const salt = randomBytes(SALT_BYTES);
    return (await this.#run({ kind: 'hash', password, salt, ...this.#cost })) as string;
  }

  /** Without a hash: false, after as much work. */
  async verify(password: string, hash: string | undefined): Promise<boolean> {
    this.#nobody ??= this.hash('nobody has this password');
    const isRight = (await this.#run({ kind: 'verify', password, hash: hash ?? (await this.#nobody) })) as boolean;
    return isRight && hash !== undefined;
  }

  async #run(task: PasswordTask): Promise<string | boolean> {
    if (this.#limit.pendingCount >= PASSWORDS_WAITING_MAX) {
      throw new ServerError('BUSY', 'Too many people sign in at this moment: try again', { 'retry-after': '5' });
    }
    return this.#limit(() => runInThread(task));
  }
}

function runInThread(task: PasswordTask): Promise<string | boolean> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./password-worker.js', import.meta.url), { workerData: task });
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('The password worker ended without an answer')));
  });
}
