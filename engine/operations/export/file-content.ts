/** Content of a snapshot's files for archives, every blob verified. */

import { MIB } from '../../base/limits.ts';
import type { Region } from '../../format/archive-entry.ts';
import type { Node } from '../../format/row.ts';
import type { Repository } from '../../repository/repository.ts';

const ZEROS = Buffer.alloc(MIB);

/** The bytes in order: views, not to be changed. Holes as zeros, or left away. */
export async function* fileContent(
  repository: Repository,
  node: Node,
  holes: 'zeros' | 'skipped',
): AsyncGenerator<Buffer> {
  for await (const { blobId, length } of repository.blobs.content(node.content, node.size)) {
    if (blobId !== undefined) yield await repository.blobs.read('data', blobId);
    else if (holes === 'zeros') {
      for (let rest = length; rest > 0; rest -= ZEROS.length) yield ZEROS.subarray(0, Math.min(rest, ZEROS.length));
    }
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
