/** Where a snapshot has the folders that a server knows by other paths: those of its container, or of another mount. */

import { SERVER_PATH_BYTES_MAX, SERVER_SAMPLE_MAX, SNAPSHOT_SERVER_FOLDERS_MAX } from '../../base/limits.ts';
import { baseName, joinPath } from '../../base/paths.ts';
import { isPlainWithin, plainPath, type ServerPlace, treeKey } from '../../base/server-paths.ts';
import { followFolder } from '../../repository/follow-path.ts';
import { OrderedFinder } from '../../repository/ordered-finder.ts';
import type { Repository } from '../../repository/repository.ts';
import type { SnapshotServer } from '../../repository/snapshot-servers.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import { foldersIn, treeAt } from './folders.ts';
import type { Library } from './ledger.ts';

/** A folder as the server knows it, and where it lies in the snapshot, or would. */
export interface Place extends ServerPlace, Library {
  readonly path: Buffer;
}

/** What a server's database names as a library folder. */
export interface SaidLibrary {
  readonly said: string;
  readonly title: string;
}

/** Some of the paths that rows name in a folder, at most SERVER_SAMPLE_MAX, as the server says them. */
export type TakeSample = (folder: string) => Promise<readonly string[]>;

/** A folder counts as the one that is looked for if a sample has this share of it there. */
const SAMPLE_SHARE = 1 / 4;

export class Placer {
  readonly #repository: Repository;
  readonly #snapshot: Snapshot;
  readonly #server: SnapshotServer;
  readonly #takeSample: TakeSample;
  #candidates: readonly Buffer[] | undefined;

  constructor(
    repository: Repository,
    subject: { readonly snapshot: Snapshot; readonly server: SnapshotServer },
    takeSample: TakeSample,
  ) {
    this.#repository = repository;
    this.#snapshot = subject.snapshot;
    this.#server = subject.server;
    this.#takeSample = takeSample;
  }

  /** Library folders, and the parts of the server that its usual container sees elsewhere. */
  async places(libraries: readonly SaidLibrary[]): Promise<Place[]> {
    const places = new Map<string, Place>();
    for (const { said, title } of libraries) {
      const plain = plainPath(said);
      if (plain === undefined || places.has(plain)) continue;
      places.set(plain, await this.place(plain, title));
    }
    for (const { name, what, container } of this.#server.profile.parts) {
      if (container === undefined || places.has(container)) continue;
      const found = this.#server.parts.find(({ part }) => part.name === name);
      const place = found === undefined ? undefined : await this.#placeAt(container, what, found.folder);
      places.set(container, place ?? (await this.place(container, what)));
    }
    return [...places.values()];
  }

  /** Of a plain path. Where the snapshot has nothing there, it is a folder that holds what rows name in it. */
  async place(said: string, title: string): Promise<Place> {
    const own = Buffer.from(said);
    const recorded = this.#server.folders.find((folder) => plainPath(folder.said) === said)?.path;
    for (const candidate of [recorded, ...this.#inParts(said), own]) {
      if (candidate === undefined) continue;
      const place = await this.#placeAt(said, title, candidate);
      if (place.isThere) return place;
    }
    const alike = await this.#findAlike(said);
    return { said, title, path: alike ?? recorded ?? own, isThere: alike !== undefined };
  }

  async #placeAt(said: string, title: string, path: Buffer): Promise<Place> {
    const real = await followFolder(this.#repository.blobs, this.#snapshot, path);
    return { said, title, path: real ?? path, isThere: real !== undefined };
  }

  #inParts(said: string): Buffer[] {
    return this.#server.parts.flatMap(({ part, folder }) => {
      if (part.container === undefined || !isPlainWithin(said, part.container)) return [];
      const rest = said.slice(part.container.length + 1);
      return [rest === '' ? folder : joinPath(folder, Buffer.from(rest))];
    });
  }

  /** The folder that has the most of a sample; one of the same name needs only one thing of it. */
  async #findAlike(said: string): Promise<Buffer | undefined> {
    const sample = (await this.#takeSample(said)).flatMap((path) => {
      const plain = plainPath(path);
      return plain === undefined || plain === said || !isPlainWithin(plain, said) ? [] : [plain.slice(said.length)];
    });
    if (sample.length === 0) return undefined;
    const keys = sample.map((path) => treeKey(Buffer.from(path))).sort(Buffer.compare);
    const name = baseName(Buffer.from(said));
    let best: { readonly path: Buffer; readonly count: number } | undefined;
    this.#candidates ??= await this.#listCandidates();
    for (const path of this.#candidates) {
      const count = await this.#countIn(path, keys);
      const isEnough = count >= keys.length * SAMPLE_SHARE || (count > 0 && baseName(path).equals(name));
      if (isEnough && count > (best?.count ?? 0)) best = { path, count };
    }
    return best?.path;
  }

  async #countIn(folder: Buffer, keys: readonly Buffer[]): Promise<number> {
    const { blobs } = this.#repository;
    const tree = await treeAt(blobs, this.#snapshot, folder);
    if (tree === undefined) return 0;
    const finder = new OrderedFinder(blobs, tree);
    let count = 0;
    for (const key of keys) if ((await finder.find(key)) !== undefined) count++;
    return count;
  }

  /** Sources, and folders right in a source. */
  async #listCandidates(): Promise<Buffer[]> {
    const { blobs } = this.#repository;
    const found: Buffer[] = [];
    for (const source of this.#snapshot.paths) {
      const folder = await followFolder(blobs, this.#snapshot, source);
      if (folder !== undefined) found.push(folder);
    }
    for (const folder of [...found]) {
      const tree = await treeAt(blobs, this.#snapshot, folder);
      if (tree === undefined) continue;
      for await (const { name } of foldersIn(blobs, tree)) {
        if (found.length >= SNAPSHOT_SERVER_FOLDERS_MAX) return found;
        found.push(joinPath(folder, name));
      }
    }
    return found;
  }
}

/** As a sample is asked for: of the rows that `entries` gives, some in a folder. */
export function sampleSql(entries: string): string {
  const path = `substr(CAST(said AS TEXT), 1, ${SERVER_PATH_BYTES_MAX})`;
  return `SELECT ${path} FROM (${entries}) WHERE substr(said, 1, length(?)) = ? LIMIT ${SERVER_SAMPLE_MAX}`;
}
