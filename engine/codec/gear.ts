/** The gear table: 256 random-looking u64, expanded from a secret seed, so that chunk lengths do not fingerprint content. */

import { createCipheriv } from 'node:crypto';

export const GEAR_TABLE_BYTES = 256 * 8;

/** AES-256-CTR key stream of the 32-byte seed, counter 0. Little-endian u64 each. */
export function expandGearTable(seed: Buffer): Buffer {
  return createCipheriv('aes-256-ctr', seed, Buffer.alloc(16)).update(Buffer.alloc(GEAR_TABLE_BYTES));
}
