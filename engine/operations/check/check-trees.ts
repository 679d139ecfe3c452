/** Walks every snapshot's trees: each decodes, and each blob it refers to is in the index with the right length. */

import { EngineError, errorMessage, throwIfAborted } from '../../base/errors.ts';
import type { BlobId } from '../../base/ids.ts';
import { decodeRow, type Node, rowLengthAt } from '../../format/row.ts';
import { type PacksAudited, packObject } from '../../repository/pack-audit.ts';
import type { Repository } from '../../repository/repository.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import type { Findings } from './findings.ts';

interface Walk {
  readonly repository: Repository;
  readonly findings: Findings;
  readonly audited: Pick<PacksAudited, 'damagedBlobs' | 'packsRead'>;
  /** Objects that no index segment names. */
  readonly leftOver: ReadonlySet<string>;
  readonly neededLeftOver: Set<string>;
  readonly missingPacks: ReadonlySet<string>;
  readonly signal: AbortSignal | undefined;
  /** Trees in which nothing was wrong: not walked again for another snapshot. */
  readonly sound: Set<string>;
  snapshot: string;
}

/** Returns those of `leftOver` that snapshots need. */
export async function checkTrees(
  repository: Repository,
  findings: Findings,
  options: {
    readonly snapshots: readonly Snapshot[];
    readonly audited: Walk['audited'];
    readonly leftOver: ReadonlySet<string>;
    readonly signal: AbortSignal | undefined;
  },
): Promise<ReadonlySet<string>> {
  const missingPacks = new Set(findings.errors().map((error) => error.object));
  const { audited, leftOver, signal } = options;
  const sets = { missingPacks, leftOver, neededLeftOver: new Set<string>(), sound: new Set<string>() };
  const walk: Walk = { repository, findings, audited, ...sets, signal, snapshot: '' };
  for (const snapshot of options.snapshots) {
    walk.snapshot = snapshot.id;
    await walkTree(walk, snapshot.tree, Buffer.from('/'));
    for (const id of snapshot.leftOut.content) await readTreeBlob(walk, id, Buffer.from('/'));
  }
  return walk.neededLeftOver;
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

/** True where a pack that is not known to be damaged holds the blob: one whole copy is enough (trap 3). */
function needBlob(walk: Walk, id: BlobId, path: Buffer): boolean {
  const text = id.toString('hex');
  const { index } = walk.repository;
  const objects = index.findAll(id).map(({ pack }) => {
    const facts = index.pack(pack);
    return facts === undefined ? '' : packObject(facts.packId);
  });
  const whole = objects.filter((object) => !isDamagedIn(walk, text, object));
  const [first] = objects;
  if (first === undefined) {
    const error = new EngineError('OBJECT_MISSING', `Blob ${text} is in no pack that the index names`);
    note(walk, { object: `blob ${text}`, error, path });
    return false;
  }
  if (whole.length === 0) {
    walk.findings.need(first, walk.snapshot, path);
    return false;
  }
  const [named = ''] = whole;
  if (whole.every((object) => walk.leftOver.has(object))) walk.neededLeftOver.add(named);
  return true;
}

function isDamagedIn(walk: Walk, blobId: string, object: string): boolean {
  const { damagedBlobs, packsRead } = walk.audited;
  if (packsRead.has(object)) return damagedBlobs.get(blobId)?.has(object) === true;
  return walk.missingPacks.has(object);
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
