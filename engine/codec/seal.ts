/** AES-256-GCM with counter nonces under a key that belongs to one file. FORMAT.md, "Seal". */

import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { EngineError } from '../base/errors.ts';
import { NativeGcm } from './gcm.ts';

const TAG_BYTES = 16;
const FIRST_BLOCK = Buffer.from([1]);

/**
 * HKDF-SHA256 (RFC 5869), 32 bytes: one block. Two plain calls take two thirds of the time of Node's own, which counts
 * where ten thousand small files are opened.
 */
export function deriveKey(secret: Buffer, salt: Buffer, info: string): Buffer {
  const extracted = createHmac('sha256', salt).update(secret).digest();
  return createHmac('sha256', extracted).update(info, 'utf8').update(FIRST_BLOCK).digest();
}

/** Which part of a file: together the nonce, which must never come twice under one key. */
export interface PartNumber {
  readonly part: number;
  readonly counter: number;
}

/** One for each thread; it holds nothing between two calls. */
const native = NativeGcm.load();

export class Sealer {
  readonly #key: Buffer;
  /** Prefix, part u32, counter u64; the last twelve bytes are the nonce as well. */
  readonly #associated: Buffer;
  readonly #nonce: Buffer;

  constructor(fileKey: Buffer, prefix: Buffer) {
    this.#key = fileKey;
    this.#associated = Buffer.concat([prefix, Buffer.alloc(12)]);
    this.#nonce = this.#associated.subarray(prefix.length);
  }

  #number(number: PartNumber): void {
    this.#nonce.writeUInt32LE(number.part, 0);
    this.#nonce.writeUInt32LE(number.counter % 0x1_0000_0000, 4);
    this.#nonce.writeUInt32LE(Math.floor(number.counter / 0x1_0000_0000), 8);
  }

  /** Ciphertext of the pieces in order, then the tag; nothing is concatenated. */
  seal(number: PartNumber, pieces: readonly Uint8Array[]): Buffer[] {
    this.#number(number);
    const cipher = createCipheriv('aes-256-gcm', this.#key, this.#nonce).setAAD(this.#associated);
    const sealed = pieces.filter((piece) => piece.length > 0).map((piece) => cipher.update(piece));
    cipher.final();
    sealed.push(cipher.getAuthTag());
    return sealed;
  }

  /** As seal(), but into memory of the caller, from its start; returns the length. */
  sealInto(number: PartNumber, pieces: readonly Uint8Array[], into: Buffer): number {
    const length = pieces.reduce((sum, piece) => sum + piece.length, TAG_BYTES);
    if (length > into.length)
      throw new EngineError('INTERNAL', `${length} sealed bytes do not fit into ${into.length}`);
    if (native !== undefined) {
      this.#number(number);
      const call = { key: this.#key, nonce: this.#nonce, associated: this.#associated };
      if (native.seal(call, pieces, into) !== length) throw new EngineError('INTERNAL', 'OpenSSL refused to seal');
      return length;
    }
    let at = 0;
    for (const piece of this.seal(number, pieces)) at += piece.copy(into, at);
    return at;
  }

  /** As open(), but into memory of the caller, which may be `sealed` itself; the result is a view of its start. */
  openInto(number: PartNumber, sealed: Buffer, into: Buffer): Buffer {
    const length = sealed.length - TAG_BYTES;
    if (length < 0 || length > into.length) {
      throw new EngineError('INTERNAL', `${length} bytes cannot be opened into ${into.length}`);
    }
    if (native === undefined) {
      this.open(number, sealed).copy(into);
      return into.subarray(0, length);
    }
    this.#number(number);
    const call = { key: this.#key, nonce: this.#nonce, associated: this.#associated };
    if (!native.open(call, sealed, into)) {
      throw new EngineError('OBJECT_CORRUPT', 'Cannot unseal: the bytes are not what was sealed here');
    }
    return into.subarray(0, length);
  }

  /** The plaintext of what seal() returned, given back in the same pieces. */
  openPieces(number: PartNumber, sealed: readonly Buffer[]): Buffer[] {
    const tag = sealed.at(-1);
    if (tag?.length !== TAG_BYTES) throw new EngineError('OBJECT_CORRUPT', 'Cannot unseal: the tag is missing');
    this.#number(number);
    const decipher = createDecipheriv('aes-256-gcm', this.#key, this.#nonce).setAAD(this.#associated).setAuthTag(tag);
    const pieces = sealed.slice(0, -1).map((piece) => decipher.update(piece));
    try {
      decipher.final();
    } catch (error) {
      throw new EngineError('OBJECT_CORRUPT', 'Cannot unseal: the bytes are not what was sealed here', error);
    }
    return pieces;
  }

  /** The plaintext of ciphertext and tag in one piece. */
  open(number: PartNumber, sealed: Buffer): Buffer {
    if (sealed.length < TAG_BYTES) throw new EngineError('OBJECT_CORRUPT', 'Cannot unseal: too few bytes');
    const split = sealed.length - TAG_BYTES;
    if (native !== undefined) return this.openInto(number, sealed, Buffer.allocUnsafeSlow(split));
    return this.openPieces(number, [sealed.subarray(0, split), sealed.subarray(split)])[0] ?? Buffer.alloc(0);
  }
}
