/** Reading and writing of canonical binary records: little-endian integers, varints, counted byte strings. */

import { EngineError } from './errors.ts';

const TWO_32 = 0x1_0000_0000;

/** Grows as needed; every put appends. Integers are unsigned and safe (below 2^53) unless said otherwise. */
export class ByteWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = Buffer.allocUnsafeSlow(capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** The backing buffer, valid until the next put. */
  get backing(): Buffer {
    return this.#bytes;
  }

  reserve(count: number): number {
    const at = this.#length;
    const need = at + count;
    if (need > this.#bytes.length) {
      const bytes = Buffer.allocUnsafeSlow(Math.max(need, this.#bytes.length * 2));
      this.#bytes.copy(bytes, 0, 0, at);
      this.#bytes = bytes;
    }
    this.#length = need;
    return at;
  }

  u8(value: number): void {
    const at = this.reserve(1);
    this.#bytes[at] = value;
  }

  u16(value: number): void {
    const at = this.reserve(2);
    this.#bytes.writeUInt16LE(value, at);
  }

  u32(value: number): void {
    const at = this.reserve(4);
    this.#bytes.writeUInt32LE(value, at);
  }

  u64(value: number): void {
    const at = this.reserve(8);
    this.#bytes.writeUInt32LE(value % TWO_32, at);
    this.#bytes.writeUInt32LE(Math.floor(value / TWO_32), at + 4);
  }

  /** LEB128, safe integers. */
  varint(value: number): void {
    if (!(value >= 0 && value <= Number.MAX_SAFE_INTEGER)) {
      throw new EngineError('INTERNAL', `Cannot write ${value} as a varint: it is not a safe unsigned integer`);
    }
    let rest = value;
    const start = this.reserve(8);
    let at = start;
    while (rest >= 0x80) {
      this.#bytes[at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[at++] = rest;
    this.#length = at;
  }

  raw(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** A varint length, then the bytes. */
  counted(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.raw(bytes);
  }

  reset(): void {
    this.#length = 0;
  }

  /** A copy of what was written: the caller owns it. */
  finish(): Buffer {
    const bytes = Buffer.allocUnsafeSlow(this.#length);
    this.#bytes.copy(bytes, 0, 0, this.#length);
    return bytes;
  }

  /** What was written, where it was: nothing may be put or reset afterwards. For records of a length that is known ahead. */
  take(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }
}

/** Reads what ByteWriter wrote; everything that does not fit throws OBJECT_CORRUPT naming `what`. */
export class ByteReader {
  readonly bytes: Buffer;
  readonly #what: string;
  #at: number;

  constructor(bytes: Buffer, what: string, offset = 0) {
    this.bytes = bytes;
    this.#what = what;
    this.#at = offset;
  }

  get offset(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.bytes.length - this.#at;
  }

  fail(why: string): never {
    throw new EngineError('OBJECT_CORRUPT', `Cannot decode ${this.#what} at byte ${this.#at}: ${why}`);
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.bytes.length - at) this.fail(`${count} bytes wanted, ${this.bytes.length - at} left`);
    this.#at = at + count;
    return at;
  }

  u8(): number {
    return this.bytes.readUInt8(this.#take(1));
  }

  u16(): number {
    return this.bytes.readUInt16LE(this.#take(2));
  }

  u32(): number {
    return this.bytes.readUInt32LE(this.#take(4));
  }

  u64(): number {
    const at = this.#take(8);
    const value = this.bytes.readUInt32LE(at) + this.bytes.readUInt32LE(at + 4) * TWO_32;
    if (value > Number.MAX_SAFE_INTEGER) this.fail('an integer above 2^53');
    return value;
  }

  varint(): number {
    let value = 0;
    let factor = 1;
    for (let index = 0; index < 8; index++) {
      const byte = this.bytes.readUInt8(this.#take(1));
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        if (byte === 0 && index > 0) this.fail('a varint that is longer than needed');
        if (value > Number.MAX_SAFE_INTEGER) this.fail('a varint above 2^53');
        return value;
      }
      factor *= 0x80;
    }
    return this.fail('a varint of more than 8 bytes');
  }

  /** A view, not a copy. */
  raw(count: number): Buffer {
    const at = this.#take(count);
    return this.bytes.subarray(at, at + count);
  }

  counted(max: number): Buffer {
    const length = this.varint();
    if (length > max) this.fail(`a length of ${length}, at most ${max} expected`);
    return this.raw(length);
  }

  /** Throws unless everything was read. */
  end(): void {
    if (this.remaining !== 0) this.fail(`${this.remaining} bytes too many`);
  }
}
