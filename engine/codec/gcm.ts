/**
 * AES-256-GCM into memory that the caller owns. Node's own cipher allocates every output, which costs a third of the
 * time and leaves garbage that the collector does not hurry to free: a backup's peak memory doubled by it. The same
 * OpenSSL that Node is linked with is called directly; where that is not to be had, there is nothing here, and Node's
 * cipher serves.
 */

import { createRequire } from 'node:module';

type Pointer = Uint8Array | bigint | object | null;
type Call<Result> = (...parameters: (Pointer | number)[]) => Result;

interface Koffi {
  load(name: string | null): { func(declaration: string): unknown };
}

const CTRL_GET_TAG = 0x10;
const CTRL_SET_TAG = 0x11;
export const GCM_TAG_BYTES = 16;

export interface GcmCall {
  readonly key: Buffer;
  readonly nonce: Buffer;
  readonly associated: Buffer;
}

export class NativeGcm {
  readonly #init: Call<number>;
  readonly #update: Call<number>;
  readonly #finish: Call<number>;
  readonly #control: Call<number>;
  readonly #context: Pointer;
  readonly #cipher: Pointer;
  readonly #written = Buffer.alloc(4);
  readonly #tag = Buffer.alloc(GCM_TAG_BYTES);

  private constructor(library: { func(declaration: string): unknown }) {
    this.#init = library.func('int EVP_CipherInit_ex(void*, void*, void*, void*, void*, int)') as Call<number>;
    this.#update = library.func('int EVP_CipherUpdate(void*, void*, void*, void*, int)') as Call<number>;
    this.#finish = library.func('int EVP_CipherFinal_ex(void*, void*, void*)') as Call<number>;
    this.#control = library.func('int EVP_CIPHER_CTX_ctrl(void*, int, int, void*)') as Call<number>;
    this.#context = (library.func('void* EVP_CIPHER_CTX_new()') as Call<Pointer>)();
    this.#cipher = (library.func('void* EVP_aes_256_gcm()') as Call<Pointer>)();
  }

  /** Undefined where the program does not show OpenSSL's functions. */
  static load(): NativeGcm | undefined {
    if (!/^[13]\./.test(process.versions['openssl'] ?? '')) return undefined;
    try {
      const koffi = createRequire(import.meta.url)('koffi') as Koffi;
      const gcm = new NativeGcm(koffi.load(null));
      return gcm.#works() ? gcm : undefined;
    } catch {
      return undefined;
    }
  }

  /** A known answer (all zeros, one block), before anything is trusted to it. */
  #works(): boolean {
    const call = { key: Buffer.alloc(32), nonce: Buffer.alloc(12), associated: Buffer.alloc(0) };
    const sealed = Buffer.alloc(16 + GCM_TAG_BYTES);
    if (this.seal(call, [Buffer.alloc(16)], sealed) !== sealed.length) return false;
    return sealed.toString('hex') === 'cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919';
  }

  #begin(call: GcmCall, seal: boolean): boolean {
    if (this.#init(this.#context, this.#cipher, null, call.key, call.nonce, seal ? 1 : 0) !== 1) return false;
    return this.#feed(null, call.associated);
  }

  #feed(into: Buffer | null, bytes: Uint8Array): boolean {
    if (bytes.length === 0) return true;
    return this.#update(this.#context, into, this.#written, bytes, bytes.length) === 1;
  }

  /** Ciphertext of the pieces in order and the tag, at the start of `into`. The length, or -1 where OpenSSL refused. */
  seal(call: GcmCall, pieces: readonly Uint8Array[], into: Buffer): number {
    if (!this.#begin(call, true)) return -1;
    let at = 0;
    for (const piece of pieces) {
      if (!this.#feed(into.subarray(at, at + piece.length), piece)) return -1;
      at += piece.length;
    }
    if (this.#finish(this.#context, this.#tag, this.#written) !== 1) return -1;
    if (this.#control(this.#context, CTRL_GET_TAG, GCM_TAG_BYTES, this.#tag) !== 1) return -1;
    this.#tag.copy(into, at);
    return at + GCM_TAG_BYTES;
  }

  /** The plaintext of ciphertext and tag, at the start of `into`; false where they are not what was sealed. */
  open(call: GcmCall, sealed: Buffer, into: Buffer): boolean {
    const split = sealed.length - GCM_TAG_BYTES;
    if (!this.#begin(call, false)) return false;
    if (!this.#feed(into.subarray(0, split), sealed.subarray(0, split))) return false;
    sealed.copy(this.#tag, 0, split);
    if (this.#control(this.#context, CTRL_SET_TAG, GCM_TAG_BYTES, this.#tag) !== 1) return false;
    return this.#finish(this.#context, this.#tag, this.#written) === 1;
  }
}
