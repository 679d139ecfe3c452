/** zstd for what it helps; incompressible data, nearly all media, is recognised by a probe and stored as it is. */

import zstd from 'zstd-napi/binding.js';
import { EngineError, errorMessage } from '../base/errors.ts';
import {
  COMPRESSION_LEVEL_DEFAULT,
  COMPRESSION_PROBE_BYTES,
  FRAME_BYTES_MAX,
  KIB,
  SEALED_FILE_BYTES_MAX,
} from '../base/limits.ts';

const { CCtx, CParameter, DCtx, getFrameContentSize } = zstd;

/** Compression that saves less than one part in this many is not worth undoing. */
const WORTH = 32;
const PROBE_LEVEL = 1;
/** From this size on a probe is made first. */
const PROBED_BYTES_MIN = 128 * KIB;
const PROBE_PIECES = 4;
/** From this size on a probe is made even where the last piece was worth compressing: it costs a small part of the rest. */
const LARGE_BYTES_MIN = 512 * KIB;
/** Smaller ones get tables that fit a near cache, at the default level: an eighth of the time, for 1/300 of the size. */
const SMALL_TABLE_LOG = 15;

/** Room for the worst case, as zstd's ZSTD_compressBound. */
function bound(length: number): number {
  return length + (length >> 8) + 512;
}

type Context = InstanceType<typeof CCtx>;

function makeContext(level: number | 'off', tableLog?: number): Context {
  const context = new CCtx();
  if (level !== 'off') context.setParameter(CParameter.compressionLevel, level);
  if (tableLog !== undefined) {
    context.setParameter(CParameter.hashLog, tableLog);
    context.setParameter(CParameter.chainLog, tableLog);
  }
  return context;
}

export class Compressor {
  readonly #level: number | 'off';
  readonly #context: Context;
  /** For pieces below LARGE_BYTES_MIN. */
  readonly #smallContext: Context;
  readonly #probe = new CCtx();
  #output = Buffer.alloc(0);
  readonly #probeOutput = Buffer.allocUnsafeSlow(bound(COMPRESSION_PROBE_BYTES));
  /** What came last was worth it: what comes next is likely to be so, too. */
  #wasWorth = false;

  constructor(level: number | 'off') {
    this.#level = level;
    this.#context = makeContext(level);
    this.#smallContext = level === COMPRESSION_LEVEL_DEFAULT ? makeContext(level, SMALL_TABLE_LOG) : this.#context;
    this.#probe.setParameter(CParameter.compressionLevel, PROBE_LEVEL);
  }

  /** One zstd frame with its content size, valid until the next call; undefined where that would save too little. */
  compress(bytes: Buffer): Buffer | undefined {
    if (this.#level === 'off' || bytes.length < 64) return undefined;
    const isProbed = bytes.length >= PROBED_BYTES_MIN && !(this.#wasWorth && bytes.length < LARGE_BYTES_MIN);
    if (isProbed && !this.#seemsCompressible(bytes)) {
      this.#wasWorth = false;
      return undefined;
    }
    if (this.#output.length < bound(bytes.length)) this.#output = Buffer.allocUnsafeSlow(bound(bytes.length));
    const context = bytes.length < LARGE_BYTES_MIN ? this.#smallContext : this.#context;
    const length = context.compress2(this.#output, bytes);
    this.#wasWorth = length <= bytes.length - bytes.length / WORTH;
    return this.#wasWorth ? this.#output.subarray(0, length) : undefined;
  }

  #seemsCompressible(bytes: Buffer): boolean {
    const piece = COMPRESSION_PROBE_BYTES / PROBE_PIECES;
    let kept = 0;
    for (let index = 0; index < PROBE_PIECES; index++) {
      const at = Math.floor(((bytes.length - piece) * index) / (PROBE_PIECES - 1));
      kept += Math.min(piece, this.#probe.compress2(this.#probeOutput, bytes.subarray(at, at + piece)));
    }
    return kept <= COMPRESSION_PROBE_BYTES - COMPRESSION_PROBE_BYTES / WORTH;
  }
}

const decompressor = new DCtx();

/**
 * The plaintext; OBJECT_CORRUPT unless it is one frame that declares and has `expectedLength` bytes. Given `into`, it is a
 * view of that memory's start.
 */
export function decompress(bytes: Buffer, expectedLength: number, into?: Buffer): Buffer {
  if (expectedLength > Math.max(FRAME_BYTES_MAX, SEALED_FILE_BYTES_MAX)) {
    throw new EngineError('OBJECT_CORRUPT', `Cannot decompress to ${expectedLength} bytes: that is beyond every limit`);
  }
  try {
    const declared = getFrameContentSize(bytes);
    if (declared !== expectedLength) throw new Error(`${declared} bytes are declared, ${expectedLength} expected`);
    const plain = into?.subarray(0, expectedLength) ?? Buffer.allocUnsafeSlow(expectedLength);
    const length = decompressor.decompress(plain, bytes);
    if (length !== expectedLength) throw new Error(`${length} bytes came out, ${expectedLength} expected`);
    return plain;
  } catch (error) {
    throw new EngineError('OBJECT_CORRUPT', `Cannot decompress: ${errorMessage(error)}`, error);
  }
}
