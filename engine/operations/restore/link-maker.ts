/** Gives finished files their further names, also in other directories. */

import { readInode, readLinks } from '../../base/stat.ts';
import { FileSystemError } from '../../filesystem/types.ts';
import type { RestoreContext } from './context.ts';
import type { LinkGroup, PendingLink } from './hard-links.ts';
import type { OtherEntries } from './other-entries.ts';
import { type PlannedFile, plannedFile } from './planned-file.ts';
import { removeSideFiles } from './side-files.ts';
import type { TargetDirectory } from './target-directories.ts';
import { isLinkRefusal } from './target-tree.ts';
import type { WalkDirectory } from './walk-directory.ts';

export class LinkMaker {
  readonly #context: RestoreContext;
  readonly #others: OtherEntries;
  /** Links to files that are not complete yet. */
  #waiting: PendingLink[] = [];

  constructor(context: RestoreContext, others: OtherEntries) {
    this.#context = context;
    this.#others = others;
  }

  /**
   * Makes the links of a window, and older ones that can be made now. `retries`: names that have to become files of
   * their own. `directories`: those that were finished before and changed again.
   */
  make(links: readonly PendingLink[]): { retries: PlannedFile[]; directories: WalkDirectory[] } {
    const retries: PlannedFile[] = [];
    const again = new Set<WalkDirectory>();
    const groups = new Set<LinkGroup>();
    const linked: PendingLink[] = [];
    const due = [...this.#waiting, ...links];
    const older = new Set(this.#waiting);
    this.#waiting = [];
    for (const link of due) {
      if (link.group.state === 'pending') {
        this.#waiting.push(link);
        continue;
      }
      if (older.has(link) && link.directory.walked) again.add(link.directory);
      if (link.group.state === 'done' && this.#link(link)) {
        groups.add(link.group);
        linked.push(link);
      } else if (link.node.type === 'file') retries.push(ownFile(link));
    }
    // A link changes the change time of the inode: what is known of its names is noted anew.
    for (const { directory, name, row } of groups) this.#remember(directory, name, row);
    for (const { directory, node, row } of linked) this.#remember(directory.target, node.name, row);
    return { retries, directories: [...again] };
  }

  /** False where the name has to become a file of its own. */
  #link(link: PendingLink): boolean {
    const { group, node, existing } = link;
    const { directories, fileSystem } = this.#context.parts;
    const directory = link.directory.target;
    const entry = { directory, name: node.name, during: 'link' };
    const done = this.#context.attempt(entry, () => {
      if (link.sideFiles.length > 0) {
        this.#context.changing(directory);
        removeSideFiles(this.#context, { directory, name: node.name, sideFiles: link.sideFiles });
      }
      if (existing !== undefined) {
        const block = this.#others.look(group.directory, group.name);
        if (readInode(block, 0) === readInode(existing.stats, existing.at)) {
          this.#context.skipped(node.size);
          return true;
        }
        if (this.#context.isChanged({ directory, name: node.name }, readLinks(existing.stats, existing.at) > 1)) {
          return true;
        }
      }
      this.#context.changing(directory);
      // Pinned, since opening the second directory may close the first.
      const from = directories.pin(group.directory);
      try {
        const to = directories.use(directory);
        const name = existing === undefined ? node.name : this.#others.temporaryName();
        fileSystem.linkAt(from, group.name, to, name);
        if (existing !== undefined) fileSystem.renameAt(to, name, to, node.name);
      } catch (error) {
        if (node.type === 'file' && isLinkRefusal(error)) return false;
        throw error;
      } finally {
        directories.unpin(group.directory);
      }
      this.#context.counters.filesRestored++;
      return true;
    });
    return done ?? true;
  }

  #remember(directory: TargetDirectory, name: Buffer, row: Buffer): void {
    const { digester, parts } = this.#context;
    try {
      const stat = this.#others.look(directory, name);
      parts.journal.add(digester.digest({ directoryKey: directory.key, row, stat, at: 0 }));
    } catch (error) {
      if (!(error instanceof FileSystemError)) throw error;
    }
  }
}

function ownFile(link: PendingLink): PlannedFile {
  const { directory, row, node, existing, sideFiles } = link;
  const place = { directory: directory.target, row, group: undefined };
  const hadMoreNames = existing !== undefined && readLinks(existing.stats, existing.at) > 1;
  return plannedFile(place, node, { replaces: existing !== undefined, hadMoreNames, sideFiles });
}
