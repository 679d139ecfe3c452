/** The paths that a snapshot left out or could not read (FORMAT.md, "Snapshot record"). */

import { ByteReader } from '../base/bytes.ts';
import { XATTR_BYTES_MAX } from '../base/limits.ts';
import type { BlobReader } from './blob-reader.ts';
import type { Snapshot } from './snapshots.ts';

/** As latin1 text, so that they can be asked for. */
export async function loadLeftOutPaths(blobs: BlobReader, snapshot: Snapshot): Promise<ReadonlySet<string>> {
  const pieces: Buffer[] = [];
  for (const id of snapshot.leftOut.content) pieces.push(await blobs.read('tree', id));
  const reader = new ByteReader(Buffer.concat(pieces), `what snapshot ${snapshot.id} left out`);
  const paths = new Set<string>();
  while (reader.remaining > 0) {
    reader.u8();
    paths.add(reader.counted(XATTR_BYTES_MAX).toString('latin1'));
  }
  return paths;
}
