/** Content of sparse files for archives that keep holes, every blob verified. */

import type { Region } from '../../format/archive-entry.ts';
import type { Node } from '../../format/row.ts';
import type { Repository } from '../../repository/repository.ts';

/** The bytes of a file's data in order, without its holes: views, not to be changed. */
export async function* dataContent({ blobs }: Repository, node: Node): AsyncGenerator<Buffer> {
  for await (const { blobId } of blobs.content(node.content, node.size)) {
    if (blobId !== undefined) yield await blobs.read('data', blobId);
  }
}

/** Where a file has data, or undefined where it has no holes. A last region of no bytes stands for a hole at the end. */
export async function dataRegions(repository: Repository, node: Node): Promise<Region[] | undefined> {
  if (node.content.kind !== 'list' && node.content.kind !== 'indirect') return undefined;
  const regions: { offset: number; length: number }[] = [];
  let at = 0;
  for await (const { blobId, length } of repository.blobs.content(node.content, node.size)) {
    const last = regions.at(-1);
    if (blobId !== undefined) {
      if (last !== undefined && last.offset + last.length === at) last.length += length;
      else regions.push({ offset: at, length });
    }
    at += length;
  }
  const [first] = regions;
  if (first !== undefined && first.offset === 0 && first.length === node.size) return undefined;
  const last = regions.at(-1);
  if (last === undefined || last.offset + last.length < node.size) regions.push({ offset: node.size, length: 0 });
  return regions;
}
