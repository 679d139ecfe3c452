/**
 * Judges the file of a backup that somebody uploaded (trap 33): whether it is what its manifest says, whole, and leads nowhere
 * else; and what a restore of it would change. It is read to its end, and nothing is written anywhere.
 */

import { lstatSync } from 'node:fs';
import { type ArchiveMember, EngineError, isSqliteHeader, type Monitor, readArchive } from '../../engine/index.ts';
import { MANIFEST_BYTES_MAX, PREVIEW_EXAMPLES_MAX } from '../limits.ts';
import { type ArchiveRoot, archiveKey, requireRoots, snapshotPathOf } from './layout.ts';
import { Listing, MANIFEST_NAME, type Manifest, readManifest, requireListing, rootsOf } from './manifest.ts';
import { linkLeadsOut } from './symlink.ts';

export interface JudgeOptions {
  readonly file: Buffer;
  /** Names of backups that are here already. */
  readonly taken: ReadonlySet<string>;
  readonly monitor: Monitor;
  readonly signal: AbortSignal;
}

/** Of files, compared by their lengths and times with what lies there now. */
export interface Changes {
  readonly files_missing: number;
  readonly files_different: number;
  readonly files_same: number;
  readonly bytes_to_write: number;
  /** Some of those that are missing or different. */
  readonly examples: readonly string[];
}

export interface Judgement {
  readonly manifest: Manifest;
  readonly changes: Changes;
}

function invalid(why: string): never {
  throw new EngineError('ARCHIVE_INVALID', `This is no backup that can be taken: ${why}`);
}

function nameOf({ path }: Pick<ArchiveMember, 'path'>): string {
  return JSON.stringify(path.toString('utf8'));
}

/** ARCHIVE_INVALID with the reason; OBJECT_EXISTS for one that is here already; INTERRUPTED. */
export async function judgeArchive(options: JudgeOptions): Promise<Judgement> {
  let judge: Judge | undefined;
  for await (const member of readArchive({ file: options.file, signal: options.signal })) {
    requirePlain(member);
    if (judge === undefined) judge = new Judge(await manifestOf(member), options);
    else await judge.take(member);
  }
  if (judge === undefined) return invalid(`it has no ${MANIFEST_NAME}`);
  return judge.finish();
}

/** Nothing in our own files is compressed: whatever unfolds was made by something else, and may be a bomb. */
function requirePlain(member: ArchiveMember): void {
  const { type, refused, bytes, storedBytes, path } = member;
  if (refused !== undefined) invalid(`the entry ${nameOf(member)} is refused: ${refused}`);
  if (type !== 'file' && type !== 'dir' && type !== 'symlink') invalid(`the entry ${nameOf(member)} is a ${type}`);
  if (
    path
      .toString('latin1')
      .split('/')
      .some((part) => part === '' || part === '.')
  ) {
    invalid(`the name of the entry ${nameOf(member)} has empty parts or dots`);
  }
  if (type === 'file' && bytes !== storedBytes) {
    invalid(`the entry ${nameOf(member)} is compressed, and unfolds from ${storedBytes} to ${bytes} bytes`);
  }
}

async function manifestOf(member: ArchiveMember): Promise<Manifest> {
  if (member.type !== 'file' || member.path.toString('latin1') !== MANIFEST_NAME) {
    invalid(`it does not begin with ${MANIFEST_NAME}`);
  }
  if (member.bytes > MANIFEST_BYTES_MAX) invalid(`its ${MANIFEST_NAME} has ${member.bytes} bytes`);
  const pieces: Buffer[] = [];
  for await (const piece of member.content()) pieces.push(Buffer.from(piece));
  return readManifest(Buffer.concat(pieces));
}

class Judge {
  readonly #manifest: Manifest;
  readonly #options: JudgeOptions;
  readonly #roots: readonly ArchiveRoot[];
  readonly #listing = new Listing();
  /** Databases that the manifest names and that did not come yet, by their names in the archive. */
  readonly #databases: Map<string, number>;
  readonly #changes = { files_missing: 0, files_different: 0, files_same: 0, bytes_to_write: 0 };
  readonly #examples: string[] = [];
  #last: Buffer | undefined;

  constructor(manifest: Manifest, options: JudgeOptions) {
    const { backup_id: name } = manifest;
    if (name !== null && options.taken.has(name)) {
      throw new EngineError(
        'OBJECT_EXISTS',
        `A backup called ${name} is here already: restore that one, or delete it first`,
      );
    }
    this.#manifest = manifest;
    this.#options = options;
    this.#roots = rootsOf(manifest);
    const why = requireRoots(this.#roots);
    if (why !== undefined) invalid(`its ${MANIFEST_NAME} is wrong: ${why}`);
    this.#databases = new Map(
      rootsOf({ roots: manifest.databases }).map(({ as }, index) => [
        as.toString('latin1'),
        manifest.databases[index]?.bytes ?? 0,
      ]),
    );
  }

  async take(member: ArchiveMember): Promise<void> {
    const { path, type, bytes, linkTarget } = member;
    const place = snapshotPathOf(path, this.#roots);
    if (place === undefined) return invalid(`the entry ${nameOf(member)} lies below none of the backup's folders`);
    const key = archiveKey(path);
    // One that comes twice could be one thing here, and another one when it is restored.
    if (this.#last !== undefined && key.compare(this.#last) <= 0)
      invalid(`the entry ${nameOf(member)} is out of order`);
    this.#last = key;
    if (type === 'symlink') this.#requireInside(member, linkTarget ?? Buffer.alloc(0));
    this.#listing.add({ path, type: type === 'dir' || type === 'symlink' ? type : 'file', bytes });
    if (type !== 'file') return;
    this.#progress(path);
    const expected = this.#databases.get(path.toString('latin1'));
    const head = await readThrough(member);
    if (expected === undefined) this.#compare(member, place);
    else {
      if (bytes !== expected) invalid(`its database ${nameOf(member)} has ${bytes} bytes instead of ${expected}`);
      if (!isSqliteHeader(head)) invalid(`its database ${nameOf(member)} is none of SQLite`);
      this.#databases.delete(path.toString('latin1'));
    }
  }

  finish(): Judgement {
    const why = requireListing(this.#manifest, this.#listing);
    if (why !== undefined) invalid(why);
    const [missing] = this.#databases.keys();
    if (missing !== undefined) invalid(`its database ${JSON.stringify(missing)} is missing`);
    return { manifest: this.#manifest, changes: { ...this.#changes, examples: this.#examples } };
  }

  #requireInside(member: ArchiveMember, target: Buffer): void {
    const root = this.#roots.find(({ as }) => snapshotPathOf(member.path, [{ path: as, as }]) !== undefined);
    const depth =
      member.path
        .subarray(root?.as.length ?? 0)
        .toString('latin1')
        .split('/').length - 2;
    if (linkLeadsOut(target, depth)) {
      invalid(
        `the symbolic link ${nameOf(member)} leads out of the library, to ${JSON.stringify(target.toString('utf8'))}`,
      );
    }
  }

  /** Lengths and times of files tell enough to see what a restore is about; it compares content itself. */
  #compare({ bytes, mtime }: ArchiveMember, place: Buffer): void {
    const there = lstatSync(place, { throwIfNoEntry: false });
    if (there?.isFile() === true && there.size === bytes && Math.floor(there.mtimeMs / 1000) === mtime?.seconds) {
      this.#changes.files_same++;
      return;
    }
    if (there === undefined) this.#changes.files_missing++;
    else this.#changes.files_different++;
    this.#changes.bytes_to_write += bytes;
    if (this.#examples.length < PREVIEW_EXAMPLES_MAX) this.#examples.push(place.toString('utf8'));
  }

  #progress(path: Buffer): void {
    const { files, bytes } = this.#listing;
    this.#options.monitor.progress?.({
      filesDone: files,
      filesTotal: this.#manifest.files,
      bytesDone: bytes,
      bytesTotal: this.#manifest.bytes,
      bytesNew: 0,
      problems: 0,
      currentPath: path.toString('utf8'),
    });
  }
}

/** To the end, so that its checksum is compared; answers how it begins. */
async function readThrough(member: ArchiveMember): Promise<Buffer> {
  let head: Buffer | undefined;
  for await (const piece of member.content()) head ??= Buffer.from(piece.subarray(0, 64));
  return head ?? Buffer.alloc(0);
}
