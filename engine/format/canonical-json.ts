/** Canonical JSON: one value, one text. Keys sorted by code unit, no white space, bytes that are not UTF-8 as base64. */

import { isUtf8 } from 'node:buffer';
import { EngineError, errorMessage } from '../base/errors.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

export function encodeCanonicalJson(value: Json): Buffer {
  return Buffer.from(text(value), 'utf8');
}

function text(value: Json): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(text).join(',')}]`;
  const object = value as JsonObject;
  const members = Object.keys(object)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${text(object[key] ?? null)}`);
  return `{${members.join(',')}}`;
}

/** Parses and refuses (OBJECT_CORRUPT) what is not an object in its one canonical form. */
export function decodeCanonicalJson(bytes: Buffer, what: string): JsonObject {
  // Of bytes that are UTF-8 each text has one form: texts can be compared instead of bytes.
  if (!isUtf8(bytes)) throw new EngineError('OBJECT_CORRUPT', `Cannot decode ${what}: it is not UTF-8`);
  const given = bytes.toString('utf8');
  let value: Json;
  try {
    value = JSON.parse(given) as Json;
  } catch (error) {
    throw new EngineError('OBJECT_CORRUPT', `Cannot decode ${what}: it is not JSON (${errorMessage(error)})`, error);
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new EngineError('OBJECT_CORRUPT', `Cannot decode ${what}: it is not a JSON object`);
  }
  if (!isCanonical(value, given)) {
    throw new EngineError('OBJECT_CORRUPT', `Cannot decode ${what}: it is not in canonical form`);
  }
  return value as JsonObject;
}

/**
 * A parsed value keeps the order of its keys, so JSON's own stringify gives the text back if it is canonical in all
 * else: that is several times faster than encoding anew, which is left for keys that look like numbers (they lose their
 * order).
 */
function isCanonical(value: Json, given: string): boolean {
  return (hasSortedKeys(value) && JSON.stringify(value) === given) || text(value) === given;
}

function hasSortedKeys(value: Json): boolean {
  if (value === null || typeof value !== 'object') return true;
  if (Array.isArray(value)) return value.every(hasSortedKeys);
  let before: string | undefined;
  for (const key in value as JsonObject) {
    if (before !== undefined && before >= key) return false;
    if (!hasSortedKeys((value as JsonObject)[key] ?? null)) return false;
    before = key;
  }
  return true;
}

/** Bytes as text where they are UTF-8, else as `{"base64"}`. */
export function bytesToJson(bytes: Buffer): Json {
  const asText = bytes.toString('utf8');
  return Buffer.from(asText, 'utf8').equals(bytes) ? asText : { base64: bytes.toString('base64') };
}

export function bytesFromJson(value: Json | undefined, what: string): Buffer {
  if (typeof value === 'string') return Buffer.from(value, 'utf8');
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const base64 = (value as JsonObject)['base64'];
    if (typeof base64 === 'string') return Buffer.from(base64, 'base64');
  }
  throw new EngineError('OBJECT_CORRUPT', `Cannot decode ${what}: a path is expected`);
}

/** Typed access to the members of a decoded object; every miss is OBJECT_CORRUPT naming the member. */
export class JsonFields {
  readonly #object: JsonObject;
  readonly #what: string;

  constructor(object: JsonObject, what: string) {
    this.#object = object;
    this.#what = what;
  }

  fail(key: string, expected: string): never {
    throw new EngineError('OBJECT_CORRUPT', `Cannot decode ${this.#what}: "${key}" is not ${expected}`);
  }

  get(key: string): Json | undefined {
    return this.#object[key];
  }

  text(key: string): string {
    const value = this.#object[key];
    return typeof value === 'string' ? value : this.fail(key, 'a text');
  }

  optionalText(key: string): string | undefined {
    const value = this.#object[key];
    return value === undefined || value === null ? undefined : this.text(key);
  }

  number(key: string): number {
    const value = this.#object[key];
    return typeof value === 'number' && Number.isFinite(value) ? value : this.fail(key, 'a number');
  }

  boolean(key: string): boolean {
    const value = this.#object[key];
    return typeof value === 'boolean' ? value : this.fail(key, 'true or false');
  }

  array(key: string): readonly Json[] {
    const value = this.#object[key];
    return Array.isArray(value) ? value : this.fail(key, 'a list');
  }

  texts(key: string): readonly string[] {
    return this.array(key).map((item) => (typeof item === 'string' ? item : this.fail(key, 'a list of texts')));
  }

  object(key: string): JsonObject {
    const value = this.#object[key];
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return this.fail(key, 'an object');
    return value as JsonObject;
  }
}
