/** Key files: each wraps the repository's secrets under one password. Every file lies there twice (FORMAT.md, "Layout"). */

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { EngineError, isEngineError } from '../base/errors.ts';
import { isHex, type KeyId, type RepositoryId } from '../base/ids.ts';
import { CONFIG_BYTES_MAX, KEY_FILES_MAX, KIB, MIB } from '../base/limits.ts';
import { derivePasswordKey, isWithinBounds } from '../codec/password.ts';
import {
  decodeKeyFile,
  encodeKeyFile,
  KEY_FILE_VERSION,
  type KeyDerivation,
  type KeyFile,
  keyAuthenticated,
  keyCopyName,
} from '../format/config.ts';
import type { Backend } from '../storage/backend.ts';
import { SECRET_BYTES, type Secrets } from './key-material.ts';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** How hard a password is to guess: Argon2id's parameters. */
export interface PasswordCost {
  readonly memoryKiB: number;
  readonly iterations: number;
  readonly parallelism: number;
}

/** RFC 9106's second recommendation. */
export const PASSWORD_COST_DEFAULT: PasswordCost = { memoryKiB: (64 * MIB) / KIB, iterations: 3, parallelism: 4 };

/** What opens a repository. */
export type Credential =
  | { readonly type: 'password'; readonly password: Buffer }
  /** --insecure-no-password: everyone who can read the repository can open it. */
  | { readonly type: 'none' };

export interface KeyDescription {
  readonly id: KeyId;
  readonly created: string;
  readonly host: string;
  readonly label: string;
  readonly protection: 'password' | 'none';
}

async function wrappingKey(credential: Credential, kdf: KeyDerivation): Promise<Buffer | undefined> {
  if (kdf.type === 'none') return credential.type === 'none' ? Buffer.alloc(SECRET_BYTES) : undefined;
  // An empty password is never a key's: createKeyFile refuses it.
  if (credential.type === 'none' || credential.password.length === 0) return undefined;
  return derivePasswordKey(credential.password, kdf);
}

/** A new key file for a password (or none). */
export async function createKeyFile(options: {
  readonly repository: RepositoryId;
  readonly secrets: Secrets;
  readonly credential: Credential;
  readonly label: string;
  readonly cost?: PasswordCost | undefined;
  readonly now: Date;
}): Promise<KeyFile> {
  const { credential, repository } = options;
  if (credential.type === 'password' && credential.password.length === 0) {
    throw new EngineError('PASSWORD_MISSING', 'An empty password is refused; --insecure-no-password does without one');
  }
  const id = randomBytes(16).toString('hex') as KeyId;
  const cost = options.cost ?? PASSWORD_COST_DEFAULT;
  const kdf: KeyDerivation =
    credential.type === 'none' ? { type: 'none' } : { type: 'argon2id', salt: randomBytes(16), ...cost };
  const key = await wrappingKey(credential, kdf);
  if (key === undefined) throw new EngineError('INTERNAL', 'A credential does not fit the key made for it');
  const nonce = randomBytes(NONCE_BYTES);
  const { label, now } = options;
  const created = now.toISOString();
  const words = { version: KEY_FILE_VERSION, id, repository, created, host: hostname(), label, kdf };
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(keyAuthenticated(words));
  const wrapped = Buffer.concat([
    nonce,
    cipher.update(options.secrets.content),
    cipher.update(options.secrets.seal),
    cipher.final(),
    cipher.getAuthTag(),
  ]);
  return { ...words, wrapped };
}

/** The secrets, or undefined where the credential does not open this key. */
export async function openKeyFile(file: KeyFile, credential: Credential): Promise<Secrets | undefined> {
  const key = await wrappingKey(credential, file.kdf);
  if (key === undefined || file.wrapped.length !== NONCE_BYTES + 2 * SECRET_BYTES + TAG_BYTES) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', key, file.wrapped.subarray(0, NONCE_BYTES))
    .setAAD(keyAuthenticated(file))
    .setAuthTag(file.wrapped.subarray(-TAG_BYTES));
  try {
    const plain = Buffer.concat([decipher.update(file.wrapped.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
    return { content: plain.subarray(0, SECRET_BYTES), seal: plain.subarray(SECRET_BYTES) };
  } catch {
    return undefined;
  }
}

export async function writeKeyFile(backend: Backend, file: KeyFile): Promise<void> {
  const bytes = encodeKeyFile(file);
  await backend.write('key', file.id, [bytes]);
  await backend.write('key', keyCopyName(file.id), [bytes]);
}

export async function removeKeyFile(backend: Backend, id: KeyId): Promise<void> {
  await backend.remove('key', keyCopyName(id));
  await backend.remove('key', id);
}

export interface KeyFileDamage {
  readonly name: string;
  readonly error: EngineError;
}

/**
 * Every key, from whichever copy is whole. What is damaged, or lacks its copy, is listed beside them. Copies that differ
 * are both given out: the password tells which one nobody changed.
 */
export async function loadKeyFiles(backend: Backend): Promise<{ keys: KeyFile[]; damage: KeyFileDamage[] }> {
  const keys = new Map<KeyId, KeyFile[]>();
  const damage: KeyFileDamage[] = [];
  const names = new Set<string>();
  for await (const file of backend.list('key')) {
    if (!isHex(file.name, 16)) continue;
    names.add(file.name);
    if (names.size > 2 * KEY_FILES_MAX) throw new EngineError('LIMIT_EXCEEDED', `More than ${KEY_FILES_MAX} keys`);
    try {
      if (file.bytes > CONFIG_BYTES_MAX) throw new EngineError('OBJECT_CORRUPT', `Key ${file.name} is far too long`);
      const key = decodeKeyFile(await backend.read('key', file.name), `key ${file.name}`);
      if (file.name !== key.id && file.name !== keyCopyName(key.id)) {
        throw new EngineError('OBJECT_CORRUPT', `Key file ${file.name} holds key ${key.id}: it was renamed`);
      }
      // One key that nobody can derive must not lock out those who know another.
      if (key.kdf.type !== 'none' && !isWithinBounds(key.kdf)) {
        throw new EngineError('OBJECT_CORRUPT', `Key ${file.name} asks for more than any password is derived with`);
      }
      const [copy] = keys.get(key.id) ?? [];
      if (copy === undefined) keys.set(key.id, [key]);
      else if (!encodeKeyFile(copy).equals(encodeKeyFile(key))) {
        keys.get(key.id)?.push(key);
        throw new EngineError('OBJECT_CORRUPT', `The two copies of key ${key.id} differ: one of them was changed`);
      }
    } catch (error) {
      if (!isEngineError(error) || error.code === 'STORAGE_FAILED') throw error;
      if (error.code !== 'OBJECT_MISSING') damage.push({ name: file.name, error });
    }
  }
  for (const id of keys.keys()) {
    for (const name of [id, keyCopyName(id)]) {
      if (names.has(name)) continue;
      damage.push({ name, error: new EngineError('OBJECT_MISSING', `One of the two copies of key ${id} is missing`) });
    }
  }
  return { keys: [...keys.values()].flat(), damage };
}

export function describeKey(file: KeyFile): KeyDescription {
  const { id, created, host, label, kdf } = file;
  return { id, created, host, label, protection: kdf.type === 'none' ? 'none' : 'password' };
}
