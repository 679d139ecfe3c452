/**
 * Keyed BLAKE3 by two implementations with the same digests: the native one for large pieces, hash-wasm for small ones
 * (a native call costs more than hashing a small piece) and wherever the native one does not load.
 */

import { createRequire } from 'node:module';
import type { IHasher } from 'hash-wasm';
import { EngineError } from '../base/errors.ts';

const require = createRequire(import.meta.url);
/** Of one algorithm, and required: an import of the whole collection is read through for its exports in each thread. */
const { createBLAKE3 } = require('hash-wasm/dist/blake3.umd.min.js') as Pick<
  typeof import('hash-wasm'),
  'createBLAKE3'
>;

/** From this many bytes on the native implementation is the faster one. */
const NATIVE_BYTES_MIN = 2048;
const KEY_BYTES = 32;

interface NativeHasher {
  reset(): void;
  update(bytes: Uint8Array): unknown;
  digestBuffer(): Buffer;
}

export type HashImplementation = 'native' | 'wasm';

export interface KeyedHasher {
  /** The first `byteLength` bytes (32 at most) of the digest; the caller owns them. */
  digest(bytes: Uint8Array, byteLength: number): Buffer;
}

function loadNative(key: Buffer): NativeHasher | undefined {
  try {
    const module = require('@napi-rs/blake-hash') as {
      Blake3Hasher: { newKeyed(key: Buffer): NativeHasher };
    };
    return module.Blake3Hasher.newKeyed(key);
  } catch {
    return undefined;
  }
}

class Blake3 implements KeyedHasher {
  readonly #wasm: IHasher;
  readonly #native: NativeHasher | undefined;
  readonly #nativeFrom: number;

  constructor(wasm: IHasher, native: NativeHasher | undefined, nativeFrom: number) {
    this.#wasm = wasm;
    this.#native = native;
    this.#nativeFrom = nativeFrom;
  }

  digest(bytes: Uint8Array, byteLength: number): Buffer {
    if (this.#native !== undefined && bytes.length >= this.#nativeFrom) {
      this.#native.reset();
      this.#native.update(bytes);
      return Buffer.from(this.#native.digestBuffer().subarray(0, byteLength));
    }
    this.#wasm.init();
    this.#wasm.update(bytes);
    return Buffer.from(this.#wasm.digest('binary').subarray(0, byteLength));
  }
}

/** `only` forces one implementation, for tests. */
export async function createKeyedHasher(key: Buffer, only?: HashImplementation): Promise<KeyedHasher> {
  if (key.length !== KEY_BYTES)
    throw new EngineError('INTERNAL', `A hash key has ${KEY_BYTES} bytes, not ${key.length}`);
  const wasm = await createBLAKE3(256, key);
  const native = only === 'wasm' ? undefined : loadNative(key);
  if (only === 'native' && native === undefined) throw new EngineError('INTERNAL', 'The native BLAKE3 does not load');
  return new Blake3(wasm, native, only === 'native' ? 0 : NATIVE_BYTES_MIN);
}
