/** The paths that a snapshot left out or could not read (FORMAT.md, "Snapshot record"). */

import { ByteReader } from '../base/bytes.ts';
import { XATTR_BYTES_MAX } from '../base/limits.ts';
import type { BlobReader } from './blob-reader.ts';
import type { Snapshot } from './snapshots.ts';

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

/** As latin1 text, so that they can be asked for; but for those with a reason of `but`. */
export async function loadLeftOutPaths(
  blobs: BlobReader,
  snapshot: Snapshot,
  but: readonly LeftOutReason[] = [],
): Promise<ReadonlySet<string>> {
  const passedOver = new Set<number>(but.map((reason) => LEFT_OUT_REASONS[reason]));
  const pieces: Buffer[] = [];
  for (const id of snapshot.leftOut.content) pieces.push(await blobs.read('tree', id));
  const reader = new ByteReader(Buffer.concat(pieces), `what snapshot ${snapshot.id} left out`);
  const paths = new Set<string>();
  while (reader.remaining > 0) {
    const reason = reader.u8();
    const path = reader.counted(XATTR_BYTES_MAX);
    if (!passedOver.has(reason)) paths.add(path.toString('latin1'));
  }
  return paths;
}
