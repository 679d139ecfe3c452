/** Makes directories of the target, or goes into those that are there; and gives them their metadata when all in them is done. */

import { compareTimes, readLinks, readMode, readMtime, readSize, STAT_BYTES, STAT_OFFSET } from '../../base/stat.ts';
import { FileSystemError, LISTING_EXTRA_WORDS, type StatTarget } from '../../filesystem/types.ts';
import type { Node } from '../../format/row.ts';
import { isUnchanged } from '../../repository/change-rules.ts';
import { TEMPORARY_PREFIX } from '../../repository/restore-names.ts';
import type { RestoreContext } from './context.ts';
import { type ExistingEntry, existingType } from './decisions.ts';
import { attributesDiffer, directoryTarget, metadataMessage, setMetadata } from './metadata.ts';
import { processIdentity } from './task-runner.ts';
import { findExisting, setListing, type WalkDirectory } from './walk-directory.ts';

const OWNER_MAY_ALL = 0o700;
const CREATED = Buffer.from('created');

export class TargetTree {
  readonly #context: RestoreContext;
  readonly #isRoot = processIdentity().uid === 0;
  readonly #stat: StatTarget = { block: Buffer.alloc(STAT_BYTES), extras: new Uint32Array(LISTING_EXTRA_WORDS) };

  constructor(context: RestoreContext) {
    this.#context = context;
  }

  /** True once the directory can be written into; false where it cannot, which is a problem that was told. */
  ensure(directory: WalkDirectory): boolean {
    if (directory.state !== 'waiting') return directory.state !== 'blocked';
    const { parent } = directory;
    if (parent === undefined || !this.ensure(parent)) {
      directory.state = 'blocked';
      return false;
    }
    if (parent.state === 'absent') return this.#planToMake(directory);
    const name = directory.target.name;
    const existing = findExisting(parent, name);
    const entry = { directory: parent.target, name, during: 'make the directory' };
    const ready = this.#context.attempt(entry, () =>
      existing === undefined ? this.#make(directory, parent) : this.#enter(directory, { parent, existing }),
    );
    if (ready !== true) directory.state = 'blocked';
    return ready === true;
  }

  #make(directory: WalkDirectory, parent: WalkDirectory): boolean {
    const { parts, digester } = this.#context;
    if (parts.dryRun) return this.#planToMake(directory);
    this.#context.changing(parent.target);
    parts.fileSystem.makeDirectoryAt(parts.directories.use(parent.target), directory.target.name);
    directory.state = 'ready';
    directory.created = true;
    directory.target.changed = true;
    if (this.#keepsOthers) parts.journal.add(digester.digest(this.#createdMark(directory)));
    return true;
  }

  #planToMake(directory: WalkDirectory): boolean {
    directory.state = 'absent';
    this.#context.counters.directoriesToMake++;
    this.#context.planned('create', { directory: directory.target, type: 'dir', bytes: 0 });
    return true;
  }

  /** Policies under which a directory that somebody else made keeps its metadata. */
  get #keepsOthers(): boolean {
    return this.#context.parts.policy === 'never' || this.#context.parts.policy === 'if-newer';
  }

  #createdMark(directory: WalkDirectory): Parameters<RestoreContext['digester']['digest']>[0] {
    return { directoryKey: directory.target.key, row: CREATED, stat: Buffer.alloc(STAT_BYTES), at: 0 };
  }

  #enter(
    directory: WalkDirectory,
    found: { readonly parent: WalkDirectory; readonly existing: ExistingEntry },
  ): boolean {
    const { parent, existing } = found;
    const { parts, digester } = this.#context;
    const type = existingType(existing);
    if (type !== 'dir') return this.#replace(directory, found);
    const handle = this.#open(directory, found);
    setListing(directory, parts.fileSystem.list(handle));
    directory.state = 'ready';
    directory.created = this.#keepsOthers && parts.journal.knows(digester.digest(this.#createdMark(directory)));
    this.#recognise(directory, { keyAbove: parent.target.key, stats: existing.stats, at: existing.at });
    this.#removeLeftovers(directory);
    for (const { name, code } of directory.listing?.failed ?? []) {
      this.#context.problem({ directory: directory.target, name, during: 'stat' }, code, `Cannot look at it: ${code}`);
    }
    return true;
  }

  /** Finds out whether the directory itself is as the snapshot has it. */
  #recognise(
    directory: WalkDirectory,
    found: { readonly keyAbove: Buffer; readonly stats: Buffer; readonly at: number },
  ): void {
    const { node } = directory;
    if (node === undefined) return;
    const { parts, digester } = this.#context;
    const { stats, at } = found;
    const trustsOrigin = parts.policy === 'if-changed' && !parts.verify;
    directory.known =
      (trustsOrigin && isUnchanged(stats, at, { bytes: node.row, at: 0 }, parts.rules)) ||
      parts.journal.knows(digester.digest({ directoryKey: found.keyAbove, row: node.row, stat: stats, at }));
    if (!parts.dryRun || directory.known || this.#keepsOthers) return;
    const attributes = (): boolean =>
      attributesDiffer(node, parts.fileSystem.directoryAttributes(parts.directories.use(directory.target)));
    if (!differs(node, stats, at) && !attributes()) return;
    this.#context.counters.directoriesToMend++;
    this.#context.planned('mend', { directory: directory.target, type: 'dir', bytes: 0 });
  }

  #open(
    directory: WalkDirectory,
    found: { readonly parent: WalkDirectory; readonly existing: ExistingEntry },
  ): ReturnType<RestoreContext['parts']['directories']['use']> {
    const { directories, fileSystem, dryRun } = this.#context.parts;
    const mode = readMode(found.existing.stats, found.existing.at);
    if (!this.#isRoot && !dryRun && (mode & OWNER_MAY_ALL) !== OWNER_MAY_ALL) {
      const above = directories.use(found.parent.target);
      fileSystem.setModeAt(above, directory.target.name, (mode & 0o7777) | OWNER_MAY_ALL);
      directory.widened = true;
    }
    return directories.use(directory.target);
  }

  /** A link is never followed and never taken away for a directory: it may be what keeps a library together. */
  #replace(
    directory: WalkDirectory,
    found: { readonly parent: WalkDirectory; readonly existing: ExistingEntry },
  ): boolean {
    const { parts, counters } = this.#context;
    const { stats, at } = found.existing;
    const type = existingType(found.existing);
    const { name } = directory.target;
    const entry = { directory: found.parent.target, name, during: 'make the directory' };
    if (type === 'symlink') {
      const message =
        'A symbolic link lies where a directory belongs: it was not followed, and nothing below was restored';
      this.#context.problem(entry, 'TARGET_UNSAFE', message);
      return false;
    }
    if (this.#keepsOthers) {
      this.#context.problem(entry, 'ENOTDIR', 'A file lies where a directory belongs, and it is to be kept');
      return false;
    }
    if (parts.dryRun) {
      counters.filesToReplace++;
      const bytes = type === 'file' ? readSize(stats, at) : 0;
      this.#context.planned('replace', { directory: found.parent.target, name, type: type ?? 'file', bytes });
      return this.#planToMake(directory);
    }
    const place = { directory: found.parent.target, name };
    if (this.#context.isUnsaved(place) || this.#context.isChanged(place, readLinks(stats, at) > 1)) return false;
    this.#context.changing(found.parent.target);
    parts.fileSystem.unlinkAt(parts.directories.use(found.parent.target), name);
    return this.#make(directory, found.parent);
  }

  /** Temporary files of the run that was interrupted, whatever it restored: its journal is locked by nobody. */
  #removeLeftovers(directory: WalkDirectory): void {
    const { parts } = this.#context;
    const { leftToken } = parts.journal;
    if (leftToken === undefined || parts.dryRun) return;
    const prefix = Buffer.from(`${TEMPORARY_PREFIX}${leftToken}-`);
    for (const name of directory.listing?.names ?? []) {
      if (!name.subarray(0, prefix.length).equals(prefix)) continue;
      this.#context.changing(directory.target);
      this.#context.attempt({ directory: directory.target, name, during: 'remove' }, () =>
        parts.fileSystem.unlinkAt(parts.directories.use(directory.target), name),
      );
    }
  }

  /** Reads what the target itself holds. */
  enterRoot(root: WalkDirectory): void {
    const { directories, fileSystem } = this.#context.parts;
    if (root.target.handle === undefined) {
      root.state = 'absent';
      return;
    }
    const handle = directories.use(root.target);
    setListing(root, fileSystem.list(handle));
    root.state = 'ready';
    fileSystem.statDirectory(handle, this.#stat);
    this.#recognise(root, { keyAbove: root.target.key, stats: this.#stat.block, at: 0 });
    this.#removeLeftovers(root);
  }

  /** Metadata, when everything in it is done. */
  finish(directory: WalkDirectory): void {
    const { node, target } = directory;
    if (node === undefined || directory.state !== 'ready' || this.#context.parts.dryRun) return;
    const touched = directory.created || directory.widened || target.changed;
    if (directory.known && !touched) return;
    if (this.#keepsOthers && !directory.created && !directory.widened) return;
    this.#context.attempt({ directory: target, during: 'set the metadata of' }, () => this.#finish(directory));
  }

  #finish(directory: WalkDirectory): void {
    const { target, node } = directory;
    const { fileSystem, directories, journal } = this.#context.parts;
    if (node === undefined) return;
    const handle = directories.use(target);
    fileSystem.statDirectory(handle, this.#stat);
    const { block } = this.#stat;
    const current = {
      uid: block.readUInt32LE(STAT_OFFSET.uid),
      gid: block.readUInt32LE(STAT_OFFSET.gid),
      mode: readMode(block, 0),
      mtime: readMtime(block, 0),
      attributes: fileSystem.directoryAttributes(handle),
    };
    setMetadata(directoryTarget(fileSystem, handle), node, current, (during, code) =>
      this.#context.problem({ directory: target, during }, code, metadataMessage(during, code)),
    );
    fileSystem.statDirectory(handle, this.#stat);
    const directoryKey = target.parent?.key ?? target.key;
    journal.add(this.#context.digester.digest({ directoryKey, row: node.row, stat: block, at: 0 }));
  }
}

/** True where metadata that stand in a stat block are not the snapshot's. */
function differs(node: Node, stats: Buffer, at: number): boolean {
  return (
    readMode(stats, at) !== node.mode ||
    stats.readUInt32LE(at + STAT_OFFSET.uid) !== node.uid ||
    stats.readUInt32LE(at + STAT_OFFSET.gid) !== node.gid ||
    compareTimes(readMtime(stats, at), node.mtime) !== 0
  );
}

/** True for what the system says when two entries cannot share an inode here. */
export function isLinkRefusal(error: unknown): boolean {
  return (
    error instanceof FileSystemError &&
    ['EXDEV', 'EPERM', 'EMLINK', 'EOPNOTSUPP', 'ENOSYS', 'EACCES'].includes(error.code)
  );
}
