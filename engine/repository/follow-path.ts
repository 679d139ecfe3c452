/** Folders of a snapshot through symbolic links, within the snapshot: nothing of the disk is looked at. */

import type { BlobId } from '../base/ids.ts';
import { SNAPSHOT_LINKS_MAX } from '../base/limits.ts';
import { joinPath, parentPath, ROOT_PATH } from '../base/paths.ts';
import type { BlobReader } from './blob-reader.ts';
import { findRow } from './find-node.ts';

const SLASH = 0x2f;

/** Where the folder at an absolute path really lies; undefined where the snapshot has no folder there. */
export async function followFolder(
  blobs: BlobReader,
  snapshot: { readonly tree: BlobId },
  path: Buffer,
): Promise<Buffer | undefined> {
  let waiting = namesOf(path);
  /** Trees from the root to the folder that was reached. */
  let trees: BlobId[] = [snapshot.tree];
  let reached: Buffer = ROOT_PATH;
  for (let links = 0; ; ) {
    const [name, ...rest] = waiting;
    if (name === undefined) return reached;
    waiting = rest;
    if (name.equals(Buffer.from('..'))) {
      trees = trees.slice(0, Math.max(1, trees.length - 1));
      reached = parentPath(reached);
      continue;
    }
    const tree = trees.at(-1);
    const node = tree === undefined ? undefined : await findRow(blobs, tree, name);
    if (node?.content.kind === 'tree') {
      trees.push(node.content.treeId);
      reached = joinPath(reached, node.name);
    } else if (node?.linkTarget !== undefined && ++links <= SNAPSHOT_LINKS_MAX) {
      if (node.linkTarget[0] === SLASH) {
        trees = [snapshot.tree];
        reached = ROOT_PATH;
      }
      waiting = [...namesOf(node.linkTarget), ...waiting];
    } else return undefined;
  }
}

function namesOf(path: Buffer): Buffer[] {
  return path
    .toString('latin1')
    .split('/')
    .filter((name) => name !== '' && name !== '.')
    .map((name) => Buffer.from(name, 'latin1'));
}
