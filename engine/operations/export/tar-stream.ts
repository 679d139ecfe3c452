/** A snapshot as a tar. */

import { encodeTarEnd, encodeTarEntry, paddingOf } from '../../format/archive-tar.ts';
import type { Repository } from '../../repository/repository.ts';
import { dataContent, dataRegions } from './sparse-content.ts';
import type { WalkedEntry } from './walk.ts';

const ZEROS = Buffer.alloc(512);

/** Pieces are views, not to be changed. `onEntry` is told each entry when it begins, `onBytes` the bytes of files. */
export async function* tarStream(
  repository: Repository,
  entries: AsyncIterable<WalkedEntry>,
  told: { readonly onEntry: (walked: WalkedEntry) => void; readonly onBytes: (bytes: number) => void },
): AsyncGenerator<Buffer> {
  let written = 0;
  for await (const walked of entries) {
    const { entry, node } = walked;
    told.onEntry(walked);
    const regions = entry.type === 'file' ? await dataRegions(repository, node) : undefined;
    const header = encodeTarEntry({ ...entry, regions });
    yield header;
    written += header.length;
    if (entry.type !== 'file') continue;
    let bytes = 0;
    for await (const piece of dataContent(repository, node)) {
      yield piece;
      bytes += piece.length;
      told.onBytes(piece.length);
    }
    const padding = paddingOf(bytes);
    if (padding > 0) yield ZEROS.subarray(0, padding);
    written += bytes + padding;
  }
  yield encodeTarEnd(written);
}
