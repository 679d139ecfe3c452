/** Random tokens, and what is kept of them. */

import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

const SECRET_BYTES = 32;

/** 256 random bits as text. `prefix` says what it is to those who find it somewhere. */
export function newSecret(prefix = ''): string {
  return `${prefix}${randomBytes(SECRET_BYTES).toString('base64url')}`;
}

/** A secret of 256 bits is not to be guessed, so that a plain hash keeps it. */
export function hashOfSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** Bound to its session, so that nobody can hand a browser another one. */
export function csrfTokenOf(sessionToken: string): string {
  return createHmac('sha256', sessionToken).update('snap csrf').digest('base64url');
}

export function equalSecrets(one: string, other: string): boolean {
  return timingSafeEqual(hashOfSecret(one), hashOfSecret(other));
}
