/** Entries without content: symbolic links, fifos, sockets, devices; and further names of a file. Few, so made in this thread. */

import { readLinks, readMode, readMtime, STAT_BYTES, STAT_OFFSET } from '../../base/stat.ts';
import {
  type ExtendedAttribute,
  FileSystemError,
  LISTING_EXTRA_WORDS,
  type StatTarget,
} from '../../filesystem/types.ts';
import type { Node } from '../../format/row.ts';
import { TEMPORARY_PREFIX } from '../../repository/restore-names.ts';
import type { RestoreContext } from './context.ts';
import type { Decision, ExistingEntry } from './decisions.ts';
import { type CurrentMetadata, metadataMessage, nameTarget, setMetadata } from './metadata.ts';
import type { TargetDirectory } from './target-directories.ts';
import { processIdentity } from './task-runner.ts';
import type { WalkDirectory } from './walk-directory.ts';

export interface EntryPlace {
  readonly directory: TargetDirectory;
  readonly row: Buffer;
}

export class OtherEntries {
  readonly #context: RestoreContext;
  readonly #identity = processIdentity();
  readonly #stat: StatTarget = { block: Buffer.alloc(STAT_BYTES), extras: new Uint32Array(LISTING_EXTRA_WORDS) };
  #temporaries = 0;

  constructor(context: RestoreContext) {
    this.#context = context;
  }

  /** A name for something that is renamed to its own when it is ready. */
  temporaryName(): Buffer {
    return Buffer.from(
      `${TEMPORARY_PREFIX}${this.#context.parts.journal.token}-h-${(this.#temporaries++).toString(36)}`,
    );
  }

  /** Makes, replaces or mends one entry; true where it is in the snapshot's state afterwards. */
  restore(
    walk: WalkDirectory,
    row: Buffer,
    facts: { readonly node: Node; readonly decision: Decision; readonly existing: ExistingEntry | undefined },
  ): boolean {
    const { node } = facts;
    const place = { directory: walk.target, row };
    const during = node.device === undefined ? 'write' : 'make the device';
    const entry = { directory: walk.target, name: node.name, during };
    const done = this.#context.attempt(entry, () => {
      if (facts.decision === 'compare' && facts.existing !== undefined && this.#isSame(walk, node, facts.existing)) {
        this.#mend(place, node, facts.existing);
        this.#remember(place, node);
        this.#context.skipped(0);
        return true;
      }
      const { existing } = facts;
      const hadMoreNames = existing !== undefined && readLinks(existing.stats, existing.at) > 1;
      if (
        existing !== undefined &&
        this.#context.isChanged({ directory: walk.target, name: node.name }, hadMoreNames)
      ) {
        return false;
      }
      this.#make(place, node, facts.decision !== 'create');
      this.#context.counters.filesRestored++;
      return true;
    });
    return done === true;
  }

  #isSame(walk: WalkDirectory, node: Node, existing: ExistingEntry): boolean {
    if (node.type === 'symlink') {
      const handle = this.#context.parts.directories.use(walk.target);
      return node.linkTarget?.equals(this.#context.parts.fileSystem.readLinkAt(handle, node.name)) === true;
    }
    const extras = walk.listing?.extras ?? new Uint32Array(0);
    const at = existing.number * LISTING_EXTRA_WORDS;
    const { major, minor } = node.device ?? { major: 0, minor: 0 };
    return node.device === undefined || (extras[at + 2] === major && extras[at + 3] === minor);
  }

  #mend(place: EntryPlace, node: Node, existing: ExistingEntry): void {
    const { stats, at } = existing;
    this.#setMetadata(place, node, node.name, {
      uid: stats.readUInt32LE(at + STAT_OFFSET.uid),
      gid: stats.readUInt32LE(at + STAT_OFFSET.gid),
      mode: node.type === 'symlink' ? node.mode : readMode(stats, at),
      mtime: readMtime(stats, at),
      attributes: this.#attributes(place, node, node.name),
    });
  }

  #make(place: EntryPlace, node: Node, replaces: boolean): void {
    const { fileSystem, directories } = this.#context.parts;
    this.#context.changing(place.directory);
    const handle = directories.use(place.directory);
    const name = replaces ? this.temporaryName() : node.name;
    if (node.type === 'symlink') fileSystem.symlinkAt(handle, name, node.linkTarget ?? Buffer.alloc(0));
    else {
      const { major, minor } = node.device ?? { major: 0, minor: 0 };
      fileSystem.makeNodeAt(handle, name, { mode: node.mode, major, minor });
    }
    try {
      const mode = node.type === 'symlink' ? node.mode : -1;
      this.#setMetadata(place, node, name, {
        ...this.#identity,
        mode,
        mtime: undefined,
        attributes: this.#attributes(place, node, name),
      });
      if (replaces) fileSystem.renameAt(handle, name, handle, node.name);
    } catch (error) {
      if (replaces) this.#remove(place.directory, name);
      throw error;
    }
    this.#remember(place, node);
  }

  #remove(directory: TargetDirectory, name: Buffer): void {
    try {
      this.#context.parts.fileSystem.unlinkAt(this.#context.parts.directories.use(directory), name);
    } catch (error) {
      if (!(error instanceof FileSystemError)) throw error;
    }
  }

  /** Symbolic links inherit none, and few file systems let them have any. */
  #attributes(place: EntryPlace, node: Node, name: Buffer): readonly ExtendedAttribute[] {
    if (node.type === 'symlink' && node.attributes.length === 0) return [];
    const { fileSystem, directories } = this.#context.parts;
    return fileSystem.attributesAt(directories.use(place.directory), name);
  }

  #setMetadata(place: EntryPlace, node: Node, name: Buffer, current: CurrentMetadata): void {
    const { fileSystem, directories } = this.#context.parts;
    const target = nameTarget(fileSystem, directories.use(place.directory), name);
    setMetadata(target, node, current, (during, code) =>
      this.#context.problem({ ...place, name: node.name, during }, code, metadataMessage(during, code)),
    );
  }

  /** Notes that this entry is done, as it is now. */
  #remember(place: EntryPlace, node: Node): void {
    const stat = this.look(place.directory, node.name);
    const { digester, parts } = this.#context;
    parts.journal.add(digester.digest({ directoryKey: place.directory.key, row: place.row, stat, at: 0 }));
  }

  /** The stat block of an entry; valid until the next look. */
  look(directory: TargetDirectory, name: Buffer): Buffer {
    const { fileSystem, directories } = this.#context.parts;
    fileSystem.statAt(directories.use(directory), name, this.#stat);
    return this.#stat.block;
  }
}
