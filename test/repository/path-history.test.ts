/** One path through many versions of a tree: found in each, and no part of a tree is read twice. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { BLOB_ID_BYTES, type BlobId } from '../../engine/base/ids.ts';
import { S_IFDIR, S_IFREG, STAT_BYTES, writeStat } from '../../engine/base/stat.ts';
import { type Content, encodeRow, NO_CONTENT } from '../../engine/format/row.ts';
import { decodeTreePart, encodeBranch, encodeLeaf } from '../../engine/format/tree-part.ts';
import { PathHistory } from '../../engine/repository/path-history.ts';
import type { LoadTreePart } from '../../engine/repository/tree-merge.ts';

const time = { seconds: 1, nanoseconds: 0 };

function rowOf(name: string, inode: number, content: Content): Buffer {
  const stat = Buffer.alloc(STAT_BYTES);
  const mode = content.kind === 'tree' ? S_IFDIR : S_IFREG;
  writeStat(stat, 0, { mode, uid: 0, gid: 0, links: 1, inode: BigInt(inode), size: 0, mtime: time, ctime: time });
  return encodeRow({ name: Buffer.from(name), stat, content });
}

class Blobs {
  readonly #blobs = new Map<string, Buffer>();
  readonly loaded: string[] = [];

  readonly load: LoadTreePart = async (treeId) => {
    this.loaded.push(treeId.toString('hex'));
    return decodeTreePart(this.#blobs.get(treeId.toString('hex')) ?? assert.fail('no such part'), 'a part');
  };

  save(bytes: Buffer): BlobId {
    const id = createHash('sha256').update(bytes).digest().subarray(0, BLOB_ID_BYTES) as BlobId;
    this.#blobs.set(id.toString('hex'), bytes);
    return id;
  }

  /** A directory of two leaves: names below `m` in the first. */
  split(first: readonly Buffer[], second: readonly Buffer[]): BlobId {
    const entries = [
      { name: Buffer.from('a'), treeId: this.save(encodeLeaf(first.length, first)), rows: first.length },
      { name: Buffer.from('m'), treeId: this.save(encodeLeaf(second.length, second)), rows: second.length },
    ];
    return this.save(encodeBranch(1, entries));
  }

  root(directory: BlobId): BlobId {
    const content = { kind: 'tree', treeId: directory, filesBelow: 1, bytesBelow: 1 } as const;
    return this.save(encodeLeaf(1, [rowOf('library', 9, content)]));
  }
}

const file = (name: string, inode: number): Buffer => rowOf(name, inode, NO_CONTENT);

test('a path is found in every version, and a part that several versions share is read once', async () => {
  const blobs = new Blobs();
  // The other leaf changes each night, ours every tenth.
  const trees = Array.from({ length: 50 }, (_, night) =>
    blobs.root(blobs.split([file('a', 1), file('b', Math.floor(night / 10))], [file('m', night), file('z', 1)])),
  );
  const history = new PathHistory(blobs.load, Buffer.from('/library/b'));
  const nodes = await Promise.all(trees.map((tree) => history.find(tree)));
  assert.deepEqual(
    nodes.map((node) => Number(node?.inode)),
    trees.map((_, night) => Math.floor(night / 10)),
  );
  assert.equal(blobs.loaded.length, new Set(blobs.loaded).size, 'each part once');
  assert.equal(blobs.loaded.length, 50 + 50 + 5, 'roots, branches, and the leaf that has it');
  assert.equal(nodes[10], nodes[19], 'the very same object');
});

test('a path that is not there, or lies below a file, is undefined', async () => {
  const blobs = new Blobs();
  const tree = blobs.root(blobs.split([file('b', 1)], [file('m', 1)]));
  for (const path of ['/library/a', '/library/c', '/library/0', '/library/zz', '/library/m/x', '/other', '/other/b']) {
    assert.equal(await new PathHistory(blobs.load, Buffer.from(path)).find(tree), undefined, path);
  }
  assert.equal((await new PathHistory(blobs.load, Buffer.from('//library/./m/')).find(tree))?.inode, 1n);
});
