/** What of a snapshot goes into an archive, in the order in which it stands there. */

import { throwIfAborted } from '../../base/errors.ts';
import type { BlobId } from '../../base/ids.ts';
import { EXPORT_LINK_GROUPS_MAX } from '../../base/limits.ts';
import type { NodeType } from '../../base/stat.ts';
import type { ArchiveEntry } from '../../format/archive-entry.ts';
import { decodeRow, type Node, rowLengthAt } from '../../format/row.ts';
import { type FoundPath, findPath } from '../../repository/find-node.ts';
import type { Repository } from '../../repository/repository.ts';
import type { Snapshot } from '../../repository/snapshots.ts';

/** An entry without what is read of its content: the map of a sparse file. */
export interface WalkedEntry {
  readonly entry: ArchiveEntry;
  readonly node: Node;
}

export interface WalkOptions {
  readonly repository: Repository;
  readonly snapshot: Snapshot;
  readonly path: Buffer | undefined;
  /** Types that the format has a place for. */
  readonly types: ReadonlySet<NodeType>;
  /** Later names of an inode refer to the first one. */
  readonly hardLinks: boolean;
  /** The folder that is exported has an entry of its own, `.`. */
  readonly ownEntry: boolean;
  readonly onLeftOut: (node: Node, path: Buffer) => void;
  readonly signal: AbortSignal | undefined;
}

const SLASH = Buffer.from('/');
const PERMISSIONS = 0o7777;

export class ArchiveWalk {
  readonly #options: WalkOptions;
  readonly #devices: ReadonlyMap<string, string>;
  /** First names of inodes of which more are to come. */
  readonly #links = new Map<string, { readonly path: Buffer; left: number }>();

  constructor(options: WalkOptions) {
    this.#options = options;
    this.#devices = new Map(options.snapshot.mounts.map(({ path, device }) => [path.toString('latin1'), device]));
  }

  /** PATH_NOT_FOUND; OBJECT_CORRUPT and OBJECT_MISSING for damaged trees. */
  async *entries(): AsyncGenerator<WalkedEntry> {
    const { repository, snapshot, path = SLASH } = this.#options;
    const found = await findPath(repository.blobs, snapshot, path);
    const device = this.#deviceOf(found.path);
    if (found.kind === 'root') {
      yield* this.#directory(found.treeId, { path: found.path, inArchive: Buffer.alloc(0), device });
      return;
    }
    const { content } = found.node;
    if (content.kind !== 'tree') {
      const inArchive = found.path.subarray(found.path.lastIndexOf(0x2f) + 1);
      yield* this.#node(found.node, { path: found.path, inArchive, device });
      return;
    }
    if (this.#options.ownEntry) yield this.#walked(found.node, Buffer.from('.'), undefined);
    yield* this.#directory(content.treeId, { path: found.path, inArchive: Buffer.alloc(0), device });
  }

  /** The device that is mounted nearest above a path. */
  #deviceOf(path: FoundPath['path']): string {
    const text = path.toString('latin1');
    for (let end = text.length; end > 0; end = text.lastIndexOf('/', end - 1)) {
      const device = this.#devices.get(text.slice(0, end));
      if (device !== undefined) return device;
    }
    return this.#devices.get('/') ?? '';
  }

  async *#directory(
    treeId: BlobId,
    at: { readonly path: Buffer; readonly inArchive: Buffer; readonly device: string },
  ): AsyncGenerator<WalkedEntry> {
    const { repository, signal } = this.#options;
    const prefix = at.path.length === 1 ? at.path : Buffer.concat([at.path, SLASH]);
    const inArchive = at.inArchive.length === 0 ? at.inArchive : Buffer.concat([at.inArchive, SLASH]);
    for await (const leaf of repository.blobs.leaves(treeId)) {
      throwIfAborted(signal);
      for (let row = 0, start = leaf.firstRow; row < leaf.rowCount; row++) {
        const end = start + rowLengthAt(leaf.bytes, start);
        const node = decodeRow(leaf.bytes.subarray(start, end), `a row of ${at.path.toString('utf8')}`);
        start = end;
        const path = Buffer.concat([prefix, node.name]);
        const device = this.#devices.get(path.toString('latin1')) ?? at.device;
        yield* this.#node(node, { path, inArchive: Buffer.concat([inArchive, node.name]), device });
      }
    }
  }

  async *#node(
    node: Node,
    at: { readonly path: Buffer; readonly inArchive: Buffer; readonly device: string },
  ): AsyncGenerator<WalkedEntry> {
    if (!this.#options.types.has(node.type)) {
      this.#options.onLeftOut(node, at.path);
      return;
    }
    yield this.#walked(node, at.inArchive, this.#earlierName(node, at));
    if (node.content.kind === 'tree') yield* this.#directory(node.content.treeId, at);
  }

  #earlierName(node: Node, at: { readonly inArchive: Buffer; readonly device: string }): Buffer | undefined {
    if (!this.#options.hardLinks || node.links < 2 || node.type === 'dir') return undefined;
    const key = `${at.device} ${node.inode}`;
    const known = this.#links.get(key);
    if (known === undefined) {
      if (this.#links.size < EXPORT_LINK_GROUPS_MAX) this.#links.set(key, { path: at.inArchive, left: node.links - 1 });
      return undefined;
    }
    if (--known.left <= 0) this.#links.delete(key);
    return known.path;
  }

  #walked(node: Node, path: Buffer, earlierName: Buffer | undefined): WalkedEntry {
    const { users, groups } = this.#options.snapshot;
    const type = node.type === 'socket' ? 'file' : node.type;
    const entry: ArchiveEntry = {
      path,
      type: earlierName === undefined ? type : 'hardlink',
      mode: node.mode & PERMISSIONS,
      uid: node.uid,
      gid: node.gid,
      user: users[String(node.uid)],
      group: groups[String(node.gid)],
      size: earlierName === undefined && node.type === 'file' ? node.size : 0,
      mtime: node.mtime,
      linkTarget: earlierName ?? node.linkTarget,
      device: node.device,
      attributes: earlierName === undefined ? node.attributes : [],
      regions: undefined,
    };
    return { entry, node };
  }
}
