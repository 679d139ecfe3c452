/** Remembers every path that a snapshot leaves out or could not read, so that a restore with --delete lets those be. */

import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { MIB } from '../../base/limits.ts';

export const LEFT_OUT_REASONS = {
  excluded: 1,
  cacheDirectory: 2,
  marker: 3,
  tooLarge: 4,
  otherFileSystem: 5,
  repository: 6,
  unreadable: 7,
  databaseSideFile: 8,
} as const;
export type LeftOutReason = keyof typeof LEFT_OUT_REASONS;

const PATH_BYTES_MAX = 1 * MIB;

export class LeftOut {
  readonly #writer = new ByteWriter(1024);
  #count = 0;
  #told: Set<string> | undefined;

  get count(): number {
    return this.#count;
  }

  /** From now on directories are listed that were listed before: no path is added twice. */
  beginRound(): void {
    this.#told ??= new Set(decodeLeftOut(this.#writer.finish()).map(({ path }) => path.toString('latin1')));
  }

  add(path: Buffer, reason: LeftOutReason): void {
    if (this.#told !== undefined) {
      const text = path.toString('latin1');
      if (this.#told.has(text)) return;
      this.#told.add(text);
    }
    this.#count++;
    this.#writer.u8(LEFT_OUT_REASONS[reason]);
    this.#writer.counted(path);
  }

  /** The records back to back, in pieces of at most `pieceBytes`. */
  pieces(pieceBytes: number): Buffer[] {
    const all = this.#writer.finish();
    const pieces: Buffer[] = [];
    for (let at = 0; at < all.length; at += pieceBytes) pieces.push(all.subarray(at, at + pieceBytes));
    return pieces;
  }
}

/** Decodes what `pieces` made, put together again. */
export function decodeLeftOut(bytes: Buffer): { path: Buffer; reason: LeftOutReason }[] {
  const reader = new ByteReader(bytes, 'the list of paths that were left out');
  const found: { path: Buffer; reason: LeftOutReason }[] = [];
  const reasons = Object.entries(LEFT_OUT_REASONS) as [LeftOutReason, number][];
  while (reader.remaining > 0) {
    const code = reader.u8();
    const reason = reasons.find(([, value]) => value === code)?.[0] ?? reader.fail(`reason ${code}`);
    found.push({ reason, path: reader.counted(PATH_BYTES_MAX) });
  }
  return found;
}
