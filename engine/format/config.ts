/** The config file and key files: canonical JSON with a check that tells a whole copy from a damaged one. */

import { createHash } from 'node:crypto';
import { EngineError } from '../base/errors.ts';
import { isHex, type KeyId, type RepositoryId } from '../base/ids.ts';
import { decodeCanonicalJson, encodeCanonicalJson, JsonFields, type JsonObject } from './canonical-json.ts';
import { FORMAT_VERSION } from './envelope.ts';

export interface RepositoryConfig {
  readonly id: RepositoryId;
  readonly version: number;
  /** ISO 8601. */
  readonly created: string;
  readonly compatible: readonly string[];
  readonly incompatible: readonly string[];
  /** Hexadecimal HMAC-SHA256 over configAuthenticated(config). */
  readonly mac: string;
}

function checkOf(object: JsonObject): string {
  return createHash('sha256').update(encodeCanonicalJson(object)).digest('hex').slice(0, 16);
}

function withCheck(object: JsonObject): Buffer {
  return encodeCanonicalJson({ ...object, check: checkOf(object) });
}

function decodeChecked(bytes: Buffer, what: string): JsonFields {
  const { check, ...rest } = decodeCanonicalJson(bytes, what);
  if (check !== checkOf(rest)) throw new EngineError('OBJECT_CORRUPT', `Cannot use ${what}: its check does not fit`);
  return new JsonFields(rest, what);
}

function configObject(config: Omit<RepositoryConfig, 'mac'>): JsonObject {
  const { id, version, created, compatible, incompatible } = config;
  return { format: 'snap', id, version, created, features: { compatible, incompatible } };
}

/** The bytes that the config's mac is made over. */
export function configAuthenticated(config: Omit<RepositoryConfig, 'mac'>): Buffer {
  return encodeCanonicalJson(configObject(config));
}

export function encodeConfig(config: RepositoryConfig): Buffer {
  return withCheck({ ...configObject(config), mac: config.mac });
}

/** OBJECT_CORRUPT for damage; REPOSITORY_UNSUPPORTED for a newer version or a feature that this program does not know. */
export function decodeConfig(bytes: Buffer, what: string): RepositoryConfig {
  const fields = decodeChecked(bytes, what);
  if (fields.text('format') !== 'snap') fields.fail('format', '"snap"');
  const version = fields.number('version');
  if (version > FORMAT_VERSION) {
    throw new EngineError(
      'REPOSITORY_UNSUPPORTED',
      `This repository has format version ${version}; this program knows versions up to ${FORMAT_VERSION}. Use a newer snap`,
    );
  }
  const features = new JsonFields(fields.object('features'), what);
  const incompatible = features.texts('incompatible');
  if (incompatible.length > 0) {
    throw new EngineError(
      'REPOSITORY_UNSUPPORTED',
      `This repository needs features that this program does not know: ${incompatible.join(', ')}. Use a newer snap`,
    );
  }
  const id = fields.text('id');
  if (!isHex(id, 16)) fields.fail('id', 'a repository id');
  return {
    id: id as RepositoryId,
    version,
    created: fields.text('created'),
    compatible: features.texts('compatible'),
    incompatible,
    mac: fields.text('mac'),
  };
}

export type KeyDerivation =
  | { readonly type: 'none' }
  | {
      readonly type: 'argon2id';
      readonly salt: Buffer;
      readonly memoryKiB: number;
      readonly iterations: number;
      readonly parallelism: number;
    };

/** Of key files: since version 2 the wrapping authenticates every word of the file. Version 1 is still read. */
export const KEY_FILE_VERSION = 2;

export interface KeyFile {
  readonly version: number;
  readonly id: KeyId;
  readonly repository: RepositoryId;
  readonly created: string;
  readonly host: string;
  readonly label: string;
  readonly kdf: KeyDerivation;
  /** Nonce (12), ciphertext of content and seal secret (64), tag (16). */
  readonly wrapped: Buffer;
}

function keyObject(key: Omit<KeyFile, 'wrapped'>): JsonObject {
  const kdf: JsonObject =
    key.kdf.type === 'none' ? { type: 'none' } : { ...key.kdf, salt: key.kdf.salt.toString('base64') };
  const { version, id, repository, created, host, label } = key;
  return { version, id, repository, created, host, label, kdf };
}

/** The associated data of a key file's wrapping. */
export function keyAuthenticated(key: Omit<KeyFile, 'wrapped'>): Buffer {
  if (key.version === 1) return Buffer.from(`snap 1 key ${key.repository} ${key.id}`, 'utf8');
  return Buffer.concat([Buffer.from('snap 2 key '), encodeCanonicalJson(keyObject(key))]);
}

export function encodeKeyFile(key: KeyFile): Buffer {
  return withCheck({ ...keyObject(key), wrapped: key.wrapped.toString('base64') });
}

export function decodeKeyFile(bytes: Buffer, what: string): KeyFile {
  const fields = decodeChecked(bytes, what);
  const version = fields.number('version');
  if (version < 1 || version > KEY_FILE_VERSION) {
    throw new EngineError('REPOSITORY_UNSUPPORTED', `Cannot use ${what}: it is of a newer version. Use a newer snap`);
  }
  const kdfFields = new JsonFields(fields.object('kdf'), what);
  const type = kdfFields.text('type');
  if (type !== 'none' && type !== 'argon2id') {
    throw new EngineError('REPOSITORY_UNSUPPORTED', `Cannot use ${what}: its key derivation "${type}" is unknown`);
  }
  const kdf: KeyDerivation =
    type === 'none'
      ? { type }
      : {
          type,
          salt: Buffer.from(kdfFields.text('salt'), 'base64'),
          memoryKiB: kdfFields.number('memoryKiB'),
          iterations: kdfFields.number('iterations'),
          parallelism: kdfFields.number('parallelism'),
        };
  return {
    version,
    id: fields.text('id') as KeyId,
    repository: fields.text('repository') as RepositoryId,
    created: fields.text('created'),
    host: fields.text('host'),
    label: fields.text('label'),
    kdf,
    wrapped: Buffer.from(fields.text('wrapped'), 'base64'),
  };
}

/** Name of the second copy of a key file: each hexadecimal digit d becomes 15 - d. */
export function keyCopyName(id: KeyId): string {
  return [...id].map((digit) => (15 - Number.parseInt(digit, 16)).toString(16)).join('');
}
