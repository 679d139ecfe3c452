/** Entries of snapshots as JSON, the same for every verb that shows them. */

import { formatTime, type Node } from '../engine/index.ts';
import { jsonPath } from './render.ts';

interface ShownEntry {
  readonly path: Buffer;
  readonly node: Node;
  readonly user: string | undefined;
  readonly group: string | undefined;
}

function jsonAttributes(node: Node): object {
  if (node.attributes.length === 0) return {};
  const pairs = node.attributes.map(({ name, value }) => [name.toString('utf8'), value.toString('base64')]);
  return { xattrs: Object.fromEntries(pairs) as object };
}

export function jsonEntry({ path, node, user, group }: ShownEntry): object {
  return {
    ...jsonPath(path),
    type: node.type,
    size: node.size,
    mode: node.mode,
    uid: node.uid,
    gid: node.gid,
    user,
    group,
    mtime: formatTime(node.mtime),
    ctime: formatTime(node.ctime),
    inode: node.inode > BigInt(Number.MAX_SAFE_INTEGER) ? node.inode.toString() : Number(node.inode),
    links: node.links,
    ...(node.linkTarget === undefined ? {} : jsonPath(node.linkTarget, 'linktarget')),
    ...jsonAttributes(node),
  };
}
