/**
 * Walks the snapshot's trees, decides about each entry, and fills windows. While one window is carried out, the next one
 * is being filled.
 */

import { EngineError, errorMessage, isEngineError } from '../../base/errors.ts';
import { DIRECTORY_DEPTH_MAX } from '../../base/limits.ts';
import { joinPath } from '../../base/paths.ts';
import { readLinks, readMode, readSize, S_IFDIR, S_IFMT, S_IFREG } from '../../base/stat.ts';
import type { Listing } from '../../filesystem/types.ts';
import { decodeRow, hasExtensions, type Node, nameOfRowAt, ROW_STAT_OFFSET, rowLengthAt } from '../../format/row.ts';
import { isDamage } from '../../repository/batch-reader.ts';
import { findRow } from '../../repository/find-node.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import type { RestoreContext } from './context.ts';
import type { DatabaseSwaps } from './database-swaps.ts';
import type { Decision, ExistingEntry } from './decisions.ts';
import { EntryJudge, isSwap, isUntouched, type JudgeRules, type Verdict, type Wanted } from './entry-judge.ts';
import type { LinkGroup } from './hard-links.ts';
import { ListingCursor } from './listing-cursor.ts';
import type { OverwritePolicy } from './options.ts';
import { type PlannedFile, plannedFile } from './planned-file.ts';
import type { Removal } from './removal.ts';
import { mayReuse } from './reuser.ts';
import { isDatabase, isLog, namesBeside } from './side-files.ts';
import { TargetDirectory } from './target-directories.ts';
import type { TargetTree } from './target-tree.ts';
import { findExisting, type WalkDirectory } from './walk-directory.ts';
import { planInline, planPieces, Window } from './window.ts';
import type { WindowExecutor } from './window-executor.ts';

/** From this many files on, threads are worth their start. */
const FILES_FOR_THREADS = 256;
const SLICES_FOR_THREADS = 512;

export interface WalkParts {
  readonly tree: TargetTree;
  readonly executor: WindowExecutor;
  readonly swaps: DatabaseSwaps;
  /** Undefined where nothing is removed. */
  readonly removal: Removal | undefined;
}

type TreeId = Parameters<RestoreContext['parts']['repository']['blobs']['leaves']>[0];

export class Walk {
  readonly #context: RestoreContext;
  readonly #parts: WalkParts;
  readonly #judge: EntryJudge;
  readonly #devices: ReadonlyMap<string, string>;
  /** Nothing has to be decided about an entry that is as the snapshot has it, unless it may be left out. */
  readonly #passesUntouched: boolean;
  #window: Window;
  #executing: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;

  constructor(context: RestoreContext, parts: WalkParts, options: JudgeRules & { readonly snapshot: Snapshot }) {
    this.#context = context;
    this.#parts = parts;
    this.#judge = new EntryJudge(context, parts.tree, options);
    this.#devices = new Map(options.snapshot.mounts.map((mount) => [mount.path.toString('latin1'), mount.device]));
    const { policy, verify, repository } = context.parts;
    this.#passesUntouched = policy === 'if-changed' && !verify;
    this.#window = new Window(repository.index, undefined);
  }

  /** Device that a directory of the snapshot lies on, given the one above it. */
  device(path: Buffer, above: string): string {
    return this.#devices.get(path.toString('latin1')) ?? above;
  }

  /** A directory below `parent`; with `node` undefined its metadata are left as they are. */
  enter(parent: WalkDirectory, node: Node, included: boolean): WalkDirectory {
    const path = joinPath(parent.path, node.name);
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
      hasSideNames: false,
      walked: false,
    };
  }

  /** Everything of a tree, into a directory. */
  async tree(directory: WalkDirectory, treeId: TreeId, depth = 0): Promise<void> {
    const { removal } = this.#parts;
    const { listing } = directory;
    const extras: number[] | undefined = listing !== undefined && removal?.covers(directory) === true ? [] : undefined;
    const cursor =
      listing === undefined ? undefined : new ListingCursor(listing.names, (number) => extras?.push(number));
    let isWhole = true;
    try {
      if (depth > DIRECTORY_DEPTH_MAX) throw new EngineError('LIMIT_EXCEEDED', 'Directories are nested too deep');
      for await (const leaf of this.#context.parts.repository.blobs.leaves(treeId)) {
        // A copy, so that rows that wait do not keep whole frames in memory.
        const rows = { bytes: Buffer.from(leaf.bytes), firstRow: leaf.firstRow, rowCount: leaf.rowCount };
        if (!(await this.#leaf(directory, rows, { depth, treeId, cursor }))) isWhole = false;
      }
      cursor?.finish();
    } catch (error) {
      if (!isDamage(error) && !isEngineError(error, 'LIMIT_EXCEEDED')) throw error;
      isWhole = false;
      const code = isEngineError(error, 'LIMIT_EXCEEDED') ? error.code : 'OBJECT_CORRUPT';
      const message = `The rest of this directory was left out: ${errorMessage(error)}`;
      this.#context.problem({ directory: directory.target, during: 'read' }, code, message);
    }
    if (extras !== undefined && listing !== undefined) {
      if (this.#context.parts.dryRun) removal?.see(directory, listing);
      // What the snapshot holds of a damaged directory is not known: nothing in it is superfluous (trap 12).
      if (isWhole && extras.length > 0) await this.#remove(directory, listing, extras);
    }
    directory.walked = true;
    directory.listing = undefined;
    if (directory.state === 'ready' && directory.parent !== undefined) this.#window.walked.push(directory);
  }

  /** The rows of one part of a directory; false where one of them is damaged. */
  async #leaf(
    directory: WalkDirectory,
    rows: { readonly bytes: Buffer; readonly firstRow: number; readonly rowCount: number },
    at: { readonly depth: number; readonly treeId: TreeId; readonly cursor: ListingCursor | undefined },
  ): Promise<boolean> {
    const { bytes } = rows;
    const place = this.#takesPlain(directory) ? { directory: directory.target, leaf: bytes } : undefined;
    let isWhole = true;
    let start = rows.firstRow;
    for (let number = 0; number < rows.rowCount; number++) {
      const end = start + rowLengthAt(bytes, start);
      const found = at.cursor?.find(bytes, start) ?? -1;
      const isPlain = place !== undefined && !(this.#judge.databasesLast && hasExtensions(bytes, start));
      if (isPlain && this.#window.addPlain(place, start)) this.#startThreads();
      else if (found < 0 || !this.#isUntouched(directory, bytes, { start, number: found })) {
        const row = bytes.subarray(start, end);
        const node = this.#decode(directory, row);
        if (node === undefined) isWhole = false;
        else if (!this.#isPrompt(directory, row, node)) await this.#entry(directory, row, { ...at, node });
      }
      start = end;
      if (this.#window.full) await this.#swap();
      if (!this.#context.fresh) await this.#context.breathe();
    }
    return isWhole;
  }

  async #remove(directory: WalkDirectory, listing: Listing, extras: readonly number[]): Promise<void> {
    if (this.#context.parts.dryRun) {
      await this.#parts.removal?.plan(directory, listing, extras);
      return;
    }
    const names = extras.map((number) => listing.names[number]).filter((name) => name !== undefined);
    this.#window.remove(
      directory,
      names.map((name) => Buffer.from(name)),
    );
    if (this.#window.full) await this.#swap();
  }

  /** True for a file, or anything else that is no directory, which is as the snapshot has it: nothing has to be decided. */
  #isUntouched(
    directory: WalkDirectory,
    bytes: Buffer,
    at: { readonly start: number; readonly number: number },
  ): boolean {
    const { start, number } = at;
    if (!this.#passesUntouched || this.#judge.filters(directory)) return false;
    if (directory.hasSideNames || hasExtensions(bytes, start)) return false;
    const stat = start + ROW_STAT_OFFSET;
    const type = readMode(bytes, stat) & S_IFMT;
    // Of a file with more names its group has to hear.
    if (type === S_IFDIR || readLinks(bytes, stat) > 1) return false;
    if (!isUntouched(this.#context, directory, { bytes, at: start, number })) return false;
    this.#context.skipped(type === S_IFREG ? readSize(bytes, stat) : 0);
    if (this.#context.progressDue) {
      this.#context.progress({ directory: directory.target, name: nameOfRowAt(bytes, start) });
    }
    return true;
  }

  /** True where nothing can be in the way of a new file: what is left to decide about it stands in its row. */
  #takesPlain(directory: WalkDirectory): boolean {
    const { dryRun, policy } = this.#context.parts;
    if (this.#judge.filters(directory) || dryRun || isCareful(policy) || directory.parent === undefined) return false;
    return this.#parts.tree.ensure(directory) && directory.created && directory.listing === undefined;
  }

  /** Handles a row that needs no waiting: true when that is done. */
  #isPrompt(directory: WalkDirectory, row: Buffer, node: Node): boolean {
    if (node.type === 'dir' || node.content.kind === 'indirect') return false;
    const beside = node.type === 'file' ? namesBeside(directory, node.name) : [];
    if (beside.length > 0 && !isDatabase(node)) return false;
    if (this.#parts.removal !== undefined && this.#directoryInPlaceOf(directory, node) !== undefined) return false;
    this.#leafEntry(directory, row, { node, sideFiles: beside, cleared: false });
    return true;
  }

  /** Number in the listing of a directory that lies where this entry belongs. */
  #directoryInPlaceOf(directory: WalkDirectory, node: Node): number | undefined {
    const existing = findExisting(directory, node.name);
    if (existing === undefined) return undefined;
    return (readMode(existing.stats, existing.at) & S_IFMT) === S_IFDIR ? existing.number : undefined;
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
    at: { readonly depth: number; readonly treeId: TreeId | undefined; readonly node: Node },
  ): Promise<void> {
    const { node } = at;
    if (node.content.kind === 'tree') {
      const included = this.#judge.accepts(directory, node);
      if (included === 'out') return;
      const below = this.enter(directory, node, included === 'in');
      if (included === 'in' && !this.#parts.tree.ensure(below)) return;
      await this.tree(below, node.content.treeId, at.depth + 1);
      return;
    }
    const cleared = await this.#clear(directory, node);
    const sideFiles = await this.#foreignSideFiles(directory, node, at.treeId);
    const wanted = { node, sideFiles, cleared };
    if (node.content.kind === 'indirect') await this.#longFile(directory, row, wanted);
    else this.#leafEntry(directory, row, wanted);
  }

  /** Takes a directory away that lies where this entry belongs, if that was asked for; true where it is gone. */
  async #clear(directory: WalkDirectory, node: Node): Promise<boolean> {
    const { removal } = this.#parts;
    const { listing } = directory;
    if (removal === undefined || listing === undefined || !removal.covers(directory)) return false;
    if (this.#judge.accepts(directory, node) !== 'in' || this.#context.parts.policy === 'never') return false;
    const number = this.#directoryInPlaceOf(directory, node);
    return number !== undefined && removal.clear(directory, listing, number);
  }

  /** Logs in the target that would be played into this file and that the snapshot does not hold. */
  async #foreignSideFiles(directory: WalkDirectory, node: Node, treeId: TreeId | undefined): Promise<Buffer[]> {
    const beside = namesBeside(directory, node.name);
    if (isDatabase(node)) return beside;
    const foreign: Buffer[] = [];
    for (const name of beside) {
      const { blobs } = this.#context.parts.repository;
      const own = treeId === undefined ? undefined : await findRow(blobs, treeId, name);
      if (own === undefined || this.#judge.accepts(directory, own) === 'out') foreign.push(name);
    }
    return foreign.some((name) => isLog(this.#context, directory, name)) ? foreign : [];
  }

  /** One entry that is not a directory, whatever it is. */
  async single(directory: WalkDirectory, row: Buffer): Promise<void> {
    const node = this.#decode(directory, row);
    if (node === undefined || this.#isPrompt(directory, row, node)) return;
    await this.#entry(directory, row, { depth: 0, treeId: undefined, node });
  }

  /** What is left to do here about an entry that is not a directory; undefined for nothing. */
  #consider(directory: WalkDirectory, row: Buffer, wanted: Wanted): (Verdict & { readonly kind: 'act' }) | undefined {
    const verdict = this.#judge.consider(directory, row, wanted);
    if (verdict === undefined) return undefined;
    const { existing } = verdict;
    if (verdict.kind === 'link') {
      const { node, sideFiles } = wanted;
      this.#window.links.push({ group: verdict.group, directory, row, node, existing, sideFiles });
      return undefined;
    }
    if (!isSwap(wanted, existing) && !(this.#judge.databasesLast && isDatabase(wanted.node))) return verdict;
    this.#parts.swaps.add({
      directory,
      file: this.#plannedFile(directory, row, { ...wanted, ...verdict }),
      ...verdict,
    });
    return undefined;
  }

  #leafEntry(directory: WalkDirectory, row: Buffer, wanted: Wanted): void {
    const { node } = wanted;
    const found = this.#consider(directory, row, wanted);
    if (found === undefined) return;
    const { decision, existing, group } = found;
    if (node.type !== 'file') {
      const done = this.#parts.executor.others.restore(directory, row, { node, decision, existing });
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
      readonly existing: ExistingEntry | undefined;
      readonly group: LinkGroup | undefined;
    },
  ): PlannedFile {
    const { sideFiles } = found;
    const careful = isCareful(this.#context.parts.policy);
    const place = {
      directory: directory.target,
      row: this.#judge.filters(directory) ? Buffer.from(row) : row,
      group: found.group,
    };
    const { existing } = found;
    const hadMoreNames = existing !== undefined && readLinks(existing.stats, existing.at) > 1;
    return plannedFile(place, found.node, {
      hadMoreNames,
      replaces: found.decision !== 'create' || careful,
      sideFiles,
    });
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
      this.#parts.executor.fail(file, { during: 'read', code: 'OBJECT_CORRUPT', message });
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
    this.#executing = this.#parts.executor.execute(window).catch((error: unknown) => {
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
