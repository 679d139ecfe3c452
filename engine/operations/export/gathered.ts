/** Pieces of an archive on their way out. */

import { EXPORT_PIECE_BYTES } from '../../base/limits.ts';

/** Small pieces run together; what comes out belongs to whoever takes it, but for large pieces, which are views. */
export async function* gathered(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let memory = Buffer.allocUnsafeSlow(EXPORT_PIECE_BYTES);
  let filled = 0;
  for await (const piece of pieces) {
    const isLarge = piece.length > memory.length / 2;
    if (filled > 0 && (isLarge || filled + piece.length > memory.length)) {
      yield memory.subarray(0, filled);
      memory = Buffer.allocUnsafeSlow(EXPORT_PIECE_BYTES);
      filled = 0;
    }
    if (isLarge) yield piece;
    else filled += piece.copy(memory, filled);
  }
  if (filled > 0) yield memory.subarray(0, filled);
}
