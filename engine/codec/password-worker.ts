/** Entry of the thread that runs Argon2id once. */

import { parentPort, workerData } from 'node:worker_threads';
import { deriveKey, type PasswordParameters } from './password-key.ts';

const { password, ...parameters } = workerData as PasswordParameters & { readonly password: Uint8Array };
parentPort?.postMessage(await deriveKey(password, parameters));
