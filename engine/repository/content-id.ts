/**
 * A name for what an entry holds, by which an HTTP client knows whether its copy is still good and by which a checksum is
 * found again. It is made from the ids of the pieces, so nothing is read for it.
 */

import { ByteWriter } from '../base/bytes.ts';
import type { BlobId } from '../base/ids.ts';
import { S_IFDIR, S_IFMT } from '../base/stat.ts';
import { type Node, writeContent } from '../format/row.ts';
import type { KeyMaterial } from './key-material.ts';

/** 32 hexadecimal digits. */
export type ContentId = string;

/** Entries differ in their ids where their contents differ, and share one where they were stored from the same bytes. */
export function contentIdOf(
  keys: KeyMaterial,
  node: Pick<Node, 'mode' | 'size' | 'content' | 'linkTarget' | 'device'>,
): ContentId {
  const writer = new ByteWriter(64);
  writer.u16(node.mode & S_IFMT);
  writer.varint(node.size);
  writeContent(writer, node.content);
  writer.counted(node.linkTarget ?? Buffer.alloc(0));
  writer.varint(node.device?.major ?? 0);
  writer.varint(node.device?.minor ?? 0);
  return keys.contentTag(writer.finish());
}

/** Of a directory of which only the tree is known: the root of a snapshot. */
export function contentIdOfTree(keys: KeyMaterial, treeId: BlobId): ContentId {
  const content = { kind: 'tree', treeId, filesBelow: 0, bytesBelow: 0 } as const;
  return contentIdOf(keys, { mode: S_IFDIR, size: 0, content, linkTarget: undefined, device: undefined });
}
