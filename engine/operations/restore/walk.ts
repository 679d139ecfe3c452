/**
 * Walks the snapshot's trees, decides about each entry, and fills windows. While one window is carried out, the next one
 * is being filled.
 */

import { EngineError, errorMessage, isEngineError } from '../../base/errors.ts';
import { DIRECTORY_DEPTH_MAX } from '../../base/limits.ts';
import { readMode, S_IFMT } from '../../base/stat.ts';
import type { PatternSet } from '../../filesystem/patterns.ts';
import { decodeRow, type Node, ROW_STAT_OFFSET, rowLengthAt } from '../../format/row.ts';
import { isDamage } from '../../repository/batch-reader.ts';
import { findRow } from '../../repository/find-node.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import type { RestoreContext } from './context.ts';
import { type Decision, decide, type ExistingEntry } from './decisions.ts';
import { type LinkGroup, LinkGroups } from './hard-links.ts';
import { JOURNAL_NAME } from './journal.ts';
import type { OverwritePolicy } from './options.ts';
import { type PlannedFile, plannedFile } from './planned-file.ts';
import { mayReuse } from './reuser.ts';
import { isDatabase, isLog, namesBeside } from './side-files.ts';
import { sameState } from './state-digest.ts';
import { TargetDirectory } from './target-directories.ts';
import type { TargetTree } from './target-tree.ts';
import { findExisting, type WalkDirectory } from './walk-directory.ts';
import { planInline, planPieces, Window } from './window.ts';
import type { WindowExecutor } from './window-executor.ts';

const SLASH = Buffer.from('/');
/** From this many files on, threads are worth their start. */
const FILES_FOR_THREADS = 256;
const SLICES_FOR_THREADS = 512;

export interface WalkOptions {
  readonly snapshot: Snapshot;
  readonly include: PatternSet;
  readonly exclude: PatternSet;
  /** Paths as latin1 text that are left out, whatever else is said. */
  readonly leftOut: ReadonlySet<string>;
}

type TreeId = Parameters<RestoreContext['parts']['repository']['blobs']['leaves']>[0];

interface Wanted {
  readonly node: Node;
  /** Names of logs in the target that must not stay beside it. */
  readonly sideFiles: readonly Buffer[];
}

export class Walk {
  readonly #context: RestoreContext;
  readonly #tree: TargetTree;
  readonly #executor: WindowExecutor;
  readonly #options: WalkOptions;
  readonly #groups = new LinkGroups();
  readonly #devices: ReadonlyMap<string, string>;
  readonly #filters: boolean;
  #window: Window;
  #executing: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;

  constructor(context: RestoreContext, parts: { tree: TargetTree; executor: WindowExecutor }, options: WalkOptions) {
    this.#context = context;
    this.#tree = parts.tree;
    this.#executor = parts.executor;
    this.#options = options;
    this.#filters = !options.include.isEmpty || !options.exclude.isEmpty || options.leftOut.size > 0;
    this.#devices = new Map(options.snapshot.mounts.map((mount) => [mount.path.toString('latin1'), mount.device]));
    this.#window = new Window(context.parts.repository.index, undefined);
  }

  /** Device that a directory of the snapshot lies on, given the one above it. */
  device(path: Buffer, above: string): string {
    return this.#devices.get(path.toString('latin1')) ?? above;
  }

  /** A directory below `parent`; with `node` undefined its metadata are left as they are. */
  enter(parent: WalkDirectory, node: Node, included: boolean): WalkDirectory {
    const path = childPath(parent.path, node.name);
    return {
      parent,
      target: new TargetDirectory(parent.target, Buffer.from(node.name)),
      node,
      path,
      device: this.device(path, parent.device),
      included,
      state: 'waiting',
      created: false,
      known: false,
      widened: false,
      listing: undefined,
      walked: false,
    };
  }

  /** Everything of a tree, into a directory. */
  async tree(directory: WalkDirectory, treeId: TreeId, depth = 0): Promise<void> {
    try {
      if (depth > DIRECTORY_DEPTH_MAX) throw new EngineError('LIMIT_EXCEEDED', 'Directories are nested too deep');
      for await (const leaf of this.#context.parts.repository.blobs.leaves(treeId)) {
        // A copy, so that rows that wait do not keep whole frames in memory.
        const bytes = Buffer.from(leaf.bytes);
        const place = this.#takesPlain(directory) ? { directory: directory.target, leaf: bytes } : undefined;
        let at = leaf.firstRow;
        for (let number = 0; number < leaf.rowCount; number++) {
          const end = at + rowLengthAt(bytes, at);
          if (place !== undefined && this.#window.addPlain(place, at)) this.#startThreads();
          else {
            const row = bytes.subarray(at, end);
            if (!this.#isPrompt(directory, row)) await this.#entry(directory, row, { depth, treeId });
          }
          at = end;
          if (this.#window.full) await this.#swap();
          if (!this.#context.fresh) await this.#context.breathe();
        }
      }
    } catch (error) {
      if (!isDamage(error) && !isEngineError(error, 'LIMIT_EXCEEDED')) throw error;
      const code = isEngineError(error, 'LIMIT_EXCEEDED') ? error.code : 'OBJECT_CORRUPT';
      const message = `The rest of this directory was left out: ${errorMessage(error)}`;
      this.#context.problem({ directory: directory.target, during: 'read' }, code, message);
    }
    directory.walked = true;
    directory.listing = undefined;
    if (directory.state === 'ready' && directory.parent !== undefined) this.#window.walked.push(directory);
  }

  /** True where nothing can be in the way of a new file: what is left to decide about it stands in its row. */
  #takesPlain(directory: WalkDirectory): boolean {
    const { dryRun, policy } = this.#context.parts;
    if (this.#filters || dryRun || isCareful(policy) || directory.parent === undefined) return false;
    return this.#tree.ensure(directory) && directory.created && directory.listing === undefined;
  }

  /** Handles a row that needs no waiting: true when that is done. */
  #isPrompt(directory: WalkDirectory, row: Buffer): boolean {
    if ((readMode(row, ROW_STAT_OFFSET) & S_IFMT) === 0o040000) return false;
    const node = this.#decode(directory, row);
    if (node === undefined) return true;
    const beside = node.type === 'file' ? namesBeside(directory, node.name) : [];
    if (node.content.kind === 'indirect' || (beside.length > 0 && !isDatabase(node))) return false;
    this.#leafEntry(directory, row, { node, sideFiles: beside });
    return true;
  }

  #decode(directory: WalkDirectory, row: Buffer): Node | undefined {
    try {
      return decodeRow(row, 'a row');
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#context.problem({ directory: directory.target, during: 'read' }, 'OBJECT_CORRUPT', errorMessage(error));
      return undefined;
    }
  }

  /** `treeId`: the tree that the row is of; undefined where it is restored alone. */
  async #entry(
    directory: WalkDirectory,
    row: Buffer,
    at: { readonly depth: number; readonly treeId: TreeId | undefined },
  ): Promise<void> {
    const node = this.#decode(directory, row);
    if (node === undefined) return;
    if (node.content.kind === 'tree') {
      const included = this.#accepts(directory, node);
      if (included === 'out') return;
      const below = this.enter(directory, node, included === 'in');
      if (included === 'in' && !this.#tree.ensure(below)) return;
      await this.tree(below, node.content.treeId, at.depth + 1);
      return;
    }
    const sideFiles = await this.#foreignSideFiles(directory, node, at.treeId);
    if (node.content.kind === 'indirect') await this.#longFile(directory, row, { node, sideFiles });
    else this.#leafEntry(directory, row, { node, sideFiles });
  }

  /** Logs in the target that would be played into this file and that the snapshot does not hold. */
  async #foreignSideFiles(directory: WalkDirectory, node: Node, treeId: TreeId | undefined): Promise<Buffer[]> {
    const beside = namesBeside(directory, node.name);
    if (isDatabase(node)) return beside;
    const foreign: Buffer[] = [];
    for (const name of beside) {
      const { blobs } = this.#context.parts.repository;
      const own = treeId === undefined ? undefined : await findRow(blobs, treeId, name);
      if (own === undefined || this.#accepts(directory, own) === 'out') foreign.push(name);
    }
    return foreign.some((name) => isLog(this.#context, directory, name)) ? foreign : [];
  }

  /** One entry that is not a directory, whatever it is. */
  async single(directory: WalkDirectory, row: Buffer): Promise<void> {
    if (!this.#isPrompt(directory, row)) await this.#entry(directory, row, { depth: 0, treeId: undefined });
  }

  /** `below`: not itself, but something in it may be wanted. */
  #accepts(directory: WalkDirectory, node: Node): 'in' | 'out' | 'below' {
    if (!this.#filters) return 'in';
    const { include, exclude, leftOut } = this.#options;
    const path = childPath(directory.path, node.name);
    const isDirectory = node.type === 'dir';
    if (exclude.matches(path, isDirectory) || leftOut.has(path.toString('latin1'))) return 'out';
    if (directory.included || include.isEmpty || include.matches(path, isDirectory)) return 'in';
    return isDirectory ? 'below' : 'out';
  }

  /** Decides about an entry that is not a directory; undefined where nothing is left to do. */
  #consider(
    directory: WalkDirectory,
    row: Buffer,
    wanted: Wanted,
  ):
    | { readonly decision: Decision; readonly existing: ExistingEntry | undefined; group: LinkGroup | undefined }
    | undefined {
    const { node, sideFiles } = wanted;
    if (this.#accepts(directory, node) !== 'in' || !this.#tree.ensure(directory)) return undefined;
    const entry = { directory: directory.target, name: node.name, during: 'write' };
    if (directory.parent === undefined && node.name.equals(JOURNAL_NAME)) {
      this.#context.problem(entry, 'RESERVED_NAME', 'This name is needed for the journal of the restore: left out');
      return undefined;
    }
    const { policy, journal } = this.#context.parts;
    const existing = findExisting(directory, node.name);
    const earlier = node.links > 1 ? this.#groups.find(directory.device, node) : undefined;
    const known =
      existing !== undefined &&
      (journal.knows(this.#digest(directory, row, existing)) || this.#isOrigin(row, existing));
    const hasSideFiles = existing !== undefined && sideFiles.length > 0;
    const decision = decide({ policy, node, existing, known, hasSideFiles });
    if (decision === 'blocked') {
      this.#context.problem(entry, 'EISDIR', `A directory lies where a ${node.type} belongs: it was left as it is`);
      return undefined;
    }
    if (earlier !== undefined && !(decision === 'skip' && policy !== 'if-changed')) {
      this.#window.links.push({ group: earlier, directory, row, node, existing, sideFiles });
      return undefined;
    }
    if (this.#context.parts.dryRun) {
      this.#count(node, decision);
      return undefined;
    }
    const group =
      node.links > 1 && earlier === undefined && !(decision === 'skip' && !known)
        ? this.#groups.begin(directory.device, node, { directory: directory.target, row })
        : undefined;
    if (decision !== 'skip') return { decision, existing, group };
    if (group !== undefined) group.state = 'done';
    this.#context.skipped(node.type === 'file' ? node.size : 0);
    this.#context.progress({ directory: directory.target, name: node.name });
    return undefined;
  }

  #digest(directory: WalkDirectory, row: Buffer, existing: ExistingEntry): Buffer {
    const directoryKey = directory.target.key;
    return this.#context.digester.digest({ directoryKey, row, stat: existing.stats, at: existing.at });
  }

  /** True for the very file that the snapshot was taken from, unchanged since. */
  #isOrigin(row: Buffer, existing: ExistingEntry): boolean {
    const { policy, verify } = this.#context.parts;
    return policy === 'if-changed' && !verify && sameState(row, ROW_STAT_OFFSET, existing.stats, existing.at);
  }

  #count(node: Node, decision: Decision): void {
    const { counters } = this.#context;
    const bytes = node.type === 'file' ? node.size : 0;
    if (decision === 'skip') this.#context.skipped(bytes);
    else if (decision === 'compare') counters.filesToCompare++;
    else {
      if (decision === 'create') counters.filesToCreate++;
      else counters.filesToReplace++;
      counters.bytesToWrite += bytes;
    }
  }

  #leafEntry(directory: WalkDirectory, row: Buffer, wanted: Wanted): void {
    const { node } = wanted;
    const found = this.#consider(directory, row, wanted);
    if (found === undefined) return;
    const { decision, existing, group } = found;
    if (node.type !== 'file') {
      const done = this.#executor.others.restore(directory, row, { node, decision, existing });
      if (group !== undefined) group.state = done ? 'done' : 'failed';
      return;
    }
    const { content } = node;
    if (content.kind === 'indirect' || content.kind === 'tree') return;
    const file = this.#plannedFile(directory, row, { ...wanted, ...found });
    if (decision === 'compare') this.#window.compare(file);
    else if (mayReuse(this.#context.parts.policy, node, found)) this.#window.reuse(file);
    else planInline(file, content, this.#window);
    this.#startThreads();
  }

  #plannedFile(
    directory: WalkDirectory,
    row: Buffer,
    found: {
      readonly node: Node;
      readonly sideFiles: readonly Buffer[];
      readonly decision: Decision;
      readonly group: LinkGroup | undefined;
    },
  ): PlannedFile {
    const { sideFiles } = found;
    const careful = isCareful(this.#context.parts.policy);
    const place = { directory: directory.target, row: this.#filters ? Buffer.from(row) : row, group: found.group };
    return plannedFile(place, found.node, { replaces: found.decision !== 'create' || careful, sideFiles });
  }

  async #longFile(directory: WalkDirectory, row: Buffer, wanted: Wanted): Promise<void> {
    const { node } = wanted;
    const found = this.#consider(directory, row, wanted);
    if (found === undefined) return;
    const file = this.#plannedFile(directory, row, { ...wanted, ...found });
    this.#context.parts.pool.start();
    if (found.decision === 'compare') {
      this.#window.compare(file);
      return;
    }
    if (mayReuse(this.#context.parts.policy, node, found)) {
      this.#window.reuse(file);
      return;
    }
    const pieces = this.#context.parts.repository.blobs.content(node.content, node.size);
    try {
      await planPieces(file, pieces, {
        first: this.#window,
        next: async () => {
          await this.#swap();
          return this.#window;
        },
      });
    } catch (error) {
      if (!isDamage(error)) throw error;
      const message = `Left out: ${error.message}`;
      this.#executor.fail(file, { during: 'read', code: 'OBJECT_CORRUPT', message });
    }
  }

  #startThreads(): void {
    const { fileCount, plan } = this.#window;
    if (fileCount === FILES_FOR_THREADS || plan.count >= SLICES_FOR_THREADS) this.#context.parts.pool.start();
  }

  /** Hands the window over, once the one before it is done, and begins the next. */
  async #swap(): Promise<void> {
    await this.#settled();
    const window = this.#window;
    this.#window = new Window(this.#context.parts.repository.index, window);
    if (this.#context.parts.dryRun) return;
    this.#executing = this.#executor.execute(window).catch((error: unknown) => {
      this.#failure = { error };
    });
  }

  async #settled(): Promise<void> {
    await this.#executing;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Waits for all that is under way; what was planned is in the target then. */
  async finish(): Promise<void> {
    // Twice, since a link to a file of the last window waits for the next one.
    await this.#swap();
    await this.#swap();
    await this.#settled();
  }

  /** Waits for all that is under way, however it ends. */
  async abandon(): Promise<void> {
    await this.#executing;
  }
}

/** Where existing files decide by their presence or age, a half-written one must never carry the name. */
function isCareful(policy: OverwritePolicy): boolean {
  return policy === 'never' || policy === 'if-newer';
}

function childPath(path: Buffer, name: Buffer): Buffer {
  return path.length === 1 ? Buffer.concat([SLASH, name]) : Buffer.concat([path, SLASH, name]);
}
