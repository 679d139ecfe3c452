/**
 * Compares what a run found with the last trusted snapshot of the same paths and rules. A disk that is not mounted, or a
 * share that came up empty, makes a perfectly good backup of nothing, and nights of those would rotate the good ones out
 * (trap 22).
 */

import { hostname } from 'node:os';
import { EngineError, isEngineError } from '../../base/errors.ts';
import type { BlobId } from '../../base/ids.ts';
import { SHRINK_EXAMPLES_MAX, SHRINK_PERCENT_DEFAULT } from '../../base/limits.ts';
import { joinPath } from '../../base/paths.ts';
import { encodeCanonicalJson } from '../../format/canonical-json.ts';
import { decodeRow, type Node, rowLengthAt } from '../../format/row.ts';
import { isDamage } from '../../repository/batch-reader.ts';
import type { BlobReader } from '../../repository/blob-reader.ts';
import { DUMP_FOLDER_NAME } from '../../repository/dump-folder.ts';
import { findPath } from '../../repository/find-node.ts';
import type { Repository } from '../../repository/repository.ts';
import { SHORT_ID_LENGTH, type Snapshot } from '../../repository/snapshots.ts';
import { type NewlyLeftOut, newlyLeftOut } from './newly-left-out.ts';
import type { RunOptions } from './options.ts';
import { pathsKey, sourcePaths } from './parent.ts';
import { askedRules, rulesJson } from './snapshot-facts.ts';

/** What a run found. Its trees are in the repository already. */
export interface FoundNow {
  readonly tree: BlobId;
  readonly mounts: readonly { readonly path: Buffer }[];
  readonly parent: Snapshot | undefined;
}

interface Held {
  readonly files: number;
  readonly bytes: number;
  readonly treeId: BlobId | undefined;
}

const NOTHING: Held = { files: 0, bytes: 0, treeId: undefined };
/** No such path. */
const MISSING: Held = { ...NOTHING };

/**
 * Why the run is not to be trusted, in a sentence that says what is missing; undefined where nothing is wrong, and for a
 * dry run, whose trees lie nowhere. PROBLEMS_FOUND instead where the run is strict.
 */
export async function findSuspicion(
  repository: Repository,
  options: RunOptions,
  now: FoundNow,
): Promise<string | undefined> {
  if (options.dryRun === true) return undefined;
  const before = await findReference(repository, options, now.parent);
  if (before === undefined || before.tree.equals(now.tree)) return undefined;
  const suspicion = await judge(repository, options, { before, now });
  if (suspicion === undefined || options.strict !== true) return suspicion;
  throw new EngineError('PROBLEMS_FOUND', `${suspicion}. --strict was asked for: no snapshot was saved`);
}

async function judge(
  repository: Repository,
  options: RunOptions,
  { before, now }: { readonly before: Snapshot; readonly now: FoundNow },
): Promise<string | undefined> {
  try {
    const leftOut = newlyLeftOut(before, options);
    return await new ShrinkGuard(repository.blobs, before, { ...now, percentMax: options.maxShrink, leftOut }).judge();
  } catch (error) {
    // Damage of an old snapshot is for check to name, and no reason to go without a new one.
    if (!isDamage(error)) throw error;
    const id = before.id.slice(0, SHORT_ID_LENGTH);
    options.monitor?.note?.(
      `Whether the sources shrank cannot be told: snapshot ${id} cannot be read (${error.message})`,
    );
    return undefined;
  }
}

/** The newest that nobody suspects: this host's, else any host's, since containers change their names (trap 23). */
async function findReference(
  repository: Repository,
  options: RunOptions,
  parent: Snapshot | undefined,
): Promise<Snapshot | undefined> {
  const rules = encodeCanonicalJson(askedRules(rulesJson(options)));
  const host = options.host ?? hostname();
  const fits = (snapshot: Snapshot): boolean =>
    !snapshot.suspect &&
    snapshot.label === (options.label ?? '') &&
    pathsKey(snapshot.paths) === pathsKey(sourcePaths(options)) &&
    encodeCanonicalJson(askedRules(snapshot.rules)).equals(rules);
  // The parent is the newest of the same paths, so that nearly every night nothing has to be listed again.
  if (options.parent === undefined && parent?.host === host && fits(parent)) return parent;
  const fitting = (await repository.snapshots.list({}, () => undefined)).filter(fits);
  return fitting.findLast((snapshot) => snapshot.host === host) ?? fitting.at(-1);
}

class ShrinkGuard {
  readonly #blobs: BlobReader;
  readonly #before: Snapshot;
  readonly #now: FoundNow;
  readonly #percentMax: number;
  readonly #newlyLeftOut: NewlyLeftOut | undefined;
  /** What of the snapshot before is left out on purpose now. */
  readonly #out: { readonly path: Buffer; readonly held: Held }[] = [];

  constructor(
    blobs: BlobReader,
    before: Snapshot,
    now: FoundNow & { readonly percentMax: number | undefined; readonly leftOut: NewlyLeftOut | undefined },
  ) {
    this.#blobs = blobs;
    this.#before = before;
    this.#now = now;
    this.#percentMax = now.percentMax ?? SHRINK_PERCENT_DEFAULT;
    this.#newlyLeftOut = now.leftOut;
  }

  async judge(): Promise<string | undefined> {
    await this.#findLeftOut();
    const said: string[] = [];
    const total = { before: { files: 0, bytes: 0 }, now: { files: 0, bytes: 0 } };
    for (const path of this.#roots(this.#before.paths)) {
      const [before, now] = await this.#both(path);
      for (const [sum, one] of [
        [total.before, before],
        [total.now, now],
      ] as const) {
        sum.files += one.files;
        sum.bytes += one.bytes;
      }
      const why = this.#whyOf(path, before, now);
      if (why !== undefined) said.push(`${why}${await this.#missing(path, before, now)}`);
    }
    const sources = this.#before.paths;
    for (const path of this.#lostMounts().filter((mount) => !sources.some((source) => isBelow(source, mount)))) {
      const [before, now] = await this.#both(path);
      // A folder that moved to the disk below is all there, and no disk is missed.
      if (before.files === 0 || !this.#isLess(before.files, now.files)) continue;
      said.push(`${textOf(path)} is not mounted any more (lost ${filesOf(before, now)})`);
    }
    if (
      said.length === 0 &&
      (this.#lost(total.before.files, total.now.files) || this.#lost(total.before.bytes, total.now.bytes))
    ) {
      said.push(`The sources lost ${filesOf(total.before, total.now)} and ${bytesOf(total.before, total.now)}`);
    }
    if (said.length === 0) return undefined;
    const { id, time } = this.#before;
    return `${said.join('; ')}. Compared with snapshot ${id.slice(0, SHORT_ID_LENGTH)} of ${time}`;
  }

  /** Of sources of which one lies inside another only the outer one. */
  #roots(paths: readonly Buffer[]): Buffer[] {
    return paths.filter((path) => !paths.some((other) => other.length < path.length && isBelow(path, other)));
  }

  /** A source of its own counts by its files alone: a folder of settings may well lose its one large log. */
  #whyOf(path: Buffer, before: Held, now: Held): string | undefined {
    const wasMount = this.#lostMounts().some((mount) => isBelow(mount, path) && isBelow(path, mount));
    const name = wasMount ? `${textOf(path)} is not mounted any more: it` : textOf(path);
    if (before.files === 0) return undefined;
    if (now.files === 0) {
      return `${name} is ${now === MISSING ? 'not there any more' : 'empty'} (lost ${filesOf(before, now)})`;
    }
    const isOnly = this.#roots(this.#before.paths).length === 1;
    if (this.#lost(before.files, now.files)) return `${name} lost ${filesOf(before, now)}`;
    if (before.bytes > 0 && now.bytes === 0)
      return `${name} ${now.treeId === undefined ? 'is empty' : 'holds only empty files'} (lost ${bytesOf(before, now)})`;
    if (isOnly && this.#lost(before.bytes, now.bytes)) return `${name} lost ${bytesOf(before, now)}`;
    return undefined;
  }

  #lost(before: number, now: number): boolean {
    return before - now > (before * this.#percentMax) / 100;
  }

  #isLess(before: number, now: number): boolean {
    return now === 0 || this.#lost(before, now);
  }

  #lostMounts(): Buffer[] {
    return this.#before.mounts
      .map(({ path }) => path)
      .filter((path) => this.#before.paths.some((source) => isBelow(path, source)))
      .filter((path) => !this.#now.mounts.some((mount) => mount.path.equals(path)));
  }

  async #both(path: Buffer): Promise<[Held, Held]> {
    const before = await this.#held(this.#before, path);
    return [this.#withoutLeftOut(path, before), await this.#held({ tree: this.#now.tree, id: 'now' }, path)];
  }

  async #findLeftOut(): Promise<void> {
    const { patterns, folders = [] } = this.#newlyLeftOut ?? {};
    for (const folder of folders) {
      const { treeId } = await this.#held(this.#before, folder);
      if (patterns === undefined || treeId === undefined) continue;
      for await (const node of this.#nodes(treeId)) {
        const path = joinPath(folder, node.name);
        if (this.#out.some((one) => isBelow(path, one.path))) continue;
        if (patterns.matches(path, node.type === 'dir')) this.#out.push({ path, held: heldBy(node) });
      }
    }
  }

  #withoutLeftOut(path: Buffer, held: Held): Held {
    if (held.files === 0 || this.#out.length === 0) return held;
    if (this.#out.some((one) => isBelow(path, one.path))) return NOTHING;
    const left = { ...held };
    for (const out of this.#out) {
      if (!isBelow(out.path, path)) continue;
      left.files -= out.held.files;
      left.bytes -= out.held.bytes;
    }
    return left;
  }

  async #held(snapshot: { readonly tree: BlobId; readonly id: string }, path: Buffer): Promise<Held> {
    try {
      const found = await findPath(this.#blobs, snapshot, path);
      return found.kind === 'node' ? heldBy(found.node) : await this.#sum(found.treeId);
    } catch (error) {
      if (isEngineError(error, 'PATH_NOT_FOUND')) return MISSING;
      throw error;
    }
  }

  /** The root itself has no row that holds its sums. */
  async #sum(treeId: BlobId): Promise<Held> {
    const sum = { files: 0, bytes: 0 };
    for await (const node of this.#nodes(treeId)) {
      const { files, bytes } = heldBy(node);
      sum.files += files;
      sum.bytes += bytes;
    }
    return { ...sum, treeId };
  }

  async *#nodes(treeId: BlobId): AsyncGenerator<Node> {
    const isRoot = treeId.equals(this.#before.tree) || treeId.equals(this.#now.tree);
    for await (const leaf of this.#blobs.leaves(treeId)) {
      for (let at = leaf.firstRow, row = 0; row < leaf.rowCount; row++) {
        const length = rowLengthAt(leaf.bytes, at);
        const node = decodeRow(leaf.bytes.subarray(at, at + length), 'a row');
        // Dumps come from servers, whether or not the root is a source.
        if (!isRoot || !node.name.equals(DUMP_FOLDER_NAME)) yield node;
        at += length;
      }
    }
  }

  /** The entries of a source that lost most, as examples. */
  async #missing(path: Buffer, before: Held, now: Held): Promise<string> {
    if (before.treeId === undefined || now.treeId === undefined) return '';
    const left = this.#nodes(now.treeId);
    let other = await left.next();
    const worst: { name: string; lost: number; bytes: number }[] = [];
    // Both come in order of their names.
    for await (const node of this.#nodes(before.treeId)) {
      while (other.done !== true && other.value.name.compare(node.name) < 0) other = await left.next();
      const same = other.done !== true && other.value.name.equals(node.name) ? heldBy(other.value) : NOTHING;
      const was = heldBy(node);
      const [lost, bytes] = [was.files - same.files, was.bytes - same.bytes];
      if (lost <= 0 && bytes <= 0) continue;
      worst.push({ name: textOf(node.name), lost, bytes });
      worst.sort((a, b) => b.lost - a.lost || b.bytes - a.bytes);
      worst.length = Math.min(worst.length, SHRINK_EXAMPLES_MAX);
    }
    if (worst.length === 0) return '';
    const prefix = textOf(path).replace(/\/+$/, '');
    return `, most of all in ${worst.map(({ name }) => `${prefix}/${name}`).join(', ')}`;
  }
}

function heldBy(node: Node): Held {
  const { content, type, size } = node;
  if (content.kind === 'tree') return { files: content.filesBelow, bytes: content.bytesBelow, treeId: content.treeId };
  if (type === 'dir') return NOTHING;
  return { files: 1, bytes: type === 'file' ? size : 0, treeId: undefined };
}

function isBelow(path: Buffer, folder: Buffer): boolean {
  const prefix = folder.toString('latin1').replace(/\/+$/, '');
  const text = path.toString('latin1').replace(/\/+$/, '');
  return text === prefix || text.startsWith(`${prefix}/`);
}

function textOf(path: Buffer): string {
  return path.toString('utf8');
}

type Sums = Pick<Held, 'files' | 'bytes'>;

function filesOf(before: Sums, now: Sums): string {
  const lost = before.files - now.files;
  return `${lost} of ${before.files} files, ${percent(lost, before.files)}`;
}

function bytesOf(before: Sums, now: Sums): string {
  const lost = before.bytes - now.bytes;
  return `${lost} of ${before.bytes} bytes, ${percent(lost, before.bytes)}`;
}

function percent(part: number, whole: number): string {
  return `${Math.floor((part / Math.max(1, whole)) * 100)} percent`;
}
