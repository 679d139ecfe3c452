/** Walks every snapshot's trees: each decodes, and each blob it refers to is in the index with the right length. */

import { EngineError, errorMessage, throwIfAborted } from '../../base/errors.ts';
import type { BlobId } from '../../base/ids.ts';
import { decodeRow, type Node, rowLengthAt } from '../../format/row.ts';
import { packObject } from '../../repository/pack-audit.ts';
import type { Repository } from '../../repository/repository.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import type { Findings } from './findings.ts';

interface Walk {
  readonly repository: Repository;
  readonly findings: Findings;
  readonly damagedBlobs: ReadonlyMap<string, string>;
  readonly missingPacks: ReadonlySet<string>;
  readonly signal: AbortSignal | undefined;
  /** Trees in which nothing was wrong: not walked again for another snapshot. */
  readonly sound: Set<string>;
  snapshot: string;
}

export async function checkTrees(
  repository: Repository,
  findings: Findings,
  options: {
    readonly snapshots: readonly Snapshot[];
    readonly damagedBlobs: ReadonlyMap<string, string>;
    readonly signal: AbortSignal | undefined;
  },
): Promise<void> {
  const missingPacks = new Set(findings.errors().map((error) => error.object));
  const { damagedBlobs, signal } = options;
  const walk: Walk = { repository, findings, damagedBlobs, missingPacks, signal, sound: new Set(), snapshot: '' };
  for (const snapshot of options.snapshots) {
    walk.snapshot = snapshot.id;
    await walkTree(walk, snapshot.tree, Buffer.from('/'));
    for (const id of snapshot.leftOut.content) await readTreeBlob(walk, id, Buffer.from('/'));
  }
}

/** True where everything below is sound. */
async function walkTree(walk: Walk, treeId: BlobId, path: Buffer): Promise<boolean> {
  throwIfAborted(walk.signal);
  const text = treeId.toString('hex');
  if (walk.sound.has(text)) return true;
  let sound = true;
  try {
    if (!needBlob(walk, treeId, path)) sound = false;
    const part = await walk.repository.blobs.loadTreePart(treeId);
    if (part.kind === 'branch') {
      for (const entry of part.entries) if (!(await walkTree(walk, entry.treeId, path))) sound = false;
    } else {
      const prefix = path.length === 1 ? path : Buffer.concat([path, Buffer.from('/')]);
      for (let at = part.firstRow, row = 0; row < part.rowCount; row++) {
        const length = rowLengthAt(part.bytes, at);
        const node = decodeRow(part.bytes.subarray(at, at + length), `a row of ${path.toString('utf8')}`);
        at += length;
        if (!(await checkNode(walk, node, Buffer.concat([prefix, node.name])))) sound = false;
      }
    }
  } catch (error) {
    note(walk, { object: `tree ${text}`, error, path });
    sound = false;
  }
  if (sound) walk.sound.add(text);
  return sound;
}

async function checkNode(walk: Walk, node: Node, path: Buffer): Promise<boolean> {
  const { content } = node;
  if (content.kind === 'tree') return walkTree(walk, content.treeId, path);
  let sound = true;
  try {
    if (content.kind === 'indirect') {
      for (const list of content.entries) if (!needBlob(walk, list.listId, path)) sound = false;
    }
    for await (const entry of walk.repository.blobs.content(content, node.size)) {
      if (entry.blobId === undefined) continue;
      if (!needBlob(walk, entry.blobId, path)) {
        sound = false;
        continue;
      }
      const { length } = walk.repository.index.get(entry.blobId);
      if (length === entry.length) continue;
      const message = `The blob has ${length} bytes, ${path.toString('utf8')} needs ${entry.length}`;
      note(walk, {
        object: `blob ${entry.blobId.toString('hex')}`,
        error: new EngineError('OBJECT_CORRUPT', message),
        path,
      });
      sound = false;
    }
  } catch (error) {
    note(walk, { object: `content of ${path.toString('utf8')}`, error, path });
    sound = false;
  }
  return sound;
}

/** True where the index has the blob, and what it lies in is not known to be damaged. */
function needBlob(walk: Walk, id: BlobId, path: Buffer): boolean {
  const text = id.toString('hex');
  const damaged = walk.damagedBlobs.get(text);
  if (damaged !== undefined) {
    walk.findings.need(damaged, walk.snapshot, path);
    return false;
  }
  const location = walk.repository.index.find(id);
  if (location === undefined) {
    const error = new EngineError('OBJECT_MISSING', `Blob ${text} is in no pack that the index names`);
    note(walk, { object: `blob ${text}`, error, path });
    return false;
  }
  const pack = walk.repository.index.pack(location.pack);
  const object = pack === undefined ? '' : packObject(pack.packId);
  if (!walk.missingPacks.has(object)) return true;
  walk.findings.need(object, walk.snapshot, path);
  return false;
}

async function readTreeBlob(walk: Walk, id: BlobId, path: Buffer): Promise<void> {
  try {
    if (needBlob(walk, id, path)) await walk.repository.blobs.read('tree', id);
  } catch (error) {
    note(walk, { object: `blob ${id.toString('hex')}`, error, path });
  }
}

function note(walk: Walk, found: { readonly object: string; readonly error: unknown; readonly path: Buffer }): void {
  const { error } = found;
  const engineError = error instanceof EngineError ? error : new EngineError('INTERNAL', errorMessage(error), error);
  if (engineError.code === 'STORAGE_FAILED') throw engineError;
  walk.findings.add(found.object, engineError);
  walk.findings.need(found.object, walk.snapshot, found.path);
}
