/** Names of one inode: the first one that is met is restored, the others are linked to it. */

import { LINK_GROUPS_MAX } from '../../base/limits.ts';
import type { Content, Node } from '../../format/row.ts';
import type { ExistingEntry } from './decisions.ts';
import type { TargetDirectory } from './target-directories.ts';
import type { WalkDirectory } from './walk-directory.ts';

export interface LinkGroup {
  readonly directory: TargetDirectory;
  readonly name: Buffer;
  readonly row: Buffer;
  /** `failed`: another name has to be made from the content. */
  state: 'pending' | 'done' | 'failed';
  /** Names still to come. */
  left: number;
}

export interface PendingLink {
  readonly group: LinkGroup;
  readonly directory: WalkDirectory;
  readonly row: Buffer;
  readonly node: Node;
  readonly existing: ExistingEntry | undefined;
  /** Logs that must not stay beside it. */
  readonly sideFiles: readonly Buffer[];
}

export class LinkGroups {
  readonly #groups = new Map<string, LinkGroup>();

  /** The group of an earlier name of the same inode. */
  find(device: string, node: Node): LinkGroup | undefined {
    const key = keyOf(device, node);
    const group = this.#groups.get(key);
    if (group === undefined) return undefined;
    group.left--;
    if (group.left <= 0) this.#groups.delete(key);
    return group;
  }

  /** Makes this name the one that others are linked to. */
  begin(
    device: string,
    node: Node,
    place: { readonly directory: TargetDirectory; readonly row: Buffer },
  ): LinkGroup | undefined {
    if (this.#groups.size >= LINK_GROUPS_MAX) return undefined;
    const row = Buffer.from(place.row);
    const name = Buffer.from(node.name);
    const group: LinkGroup = { directory: place.directory, name, row, state: 'pending', left: node.links - 1 };
    this.#groups.set(keyOf(device, node), group);
    return group;
  }
}

/** The number of an inode may have been another file's by the time that the next name was looked at: the content counts, too. */
function keyOf(device: string, node: Node): string {
  return `${device}:${node.inode}:${node.type}:${node.size}:${contentKey(node.content)}`;
}

function contentKey(content: Content): string {
  switch (content.kind) {
    case 'single':
      return content.blobId.toString('latin1');
    case 'list':
      return content.entries.map(({ length, blobId }) => `${length}${blobId?.toString('latin1') ?? ''}`).join();
    case 'indirect':
      return content.entries.map(({ listId }) => listId.toString('latin1')).join();
    default:
      return '';
  }
}
