/** Where a snapshot has the folders that a server knows by other paths: those of its container, or of another mount. */

import { baseName, joinPath } from '../../base/paths.ts';
import { isPlainWithin, plainPath, type ServerPlace } from '../../base/server-paths.ts';
import { followFolder } from '../../repository/follow-path.ts';
import type { Repository } from '../../repository/repository.ts';
import type { SnapshotServer } from '../../repository/snapshot-servers.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
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

export class Placer {
  readonly #repository: Repository;
  readonly #snapshot: Snapshot;
  readonly #server: SnapshotServer;

  constructor(repository: Repository, snapshot: Snapshot, server: SnapshotServer) {
    this.#repository = repository;
    this.#snapshot = snapshot;
    this.#server = server;
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
      places.set(container, await this.#placeAt(container, what, found?.folder ?? Buffer.from(container)));
    }
    return [...places.values()];
  }

  /** Of a plain path. Where nothing of it is in the snapshot, a source of the same name is taken for it. */
  async place(said: string, title: string): Promise<Place> {
    const own = Buffer.from(said);
    const recorded = this.#server.folders.find((folder) => plainPath(folder.said) === said)?.path;
    for (const candidate of [recorded, ...this.#inParts(said), own]) {
      if (candidate === undefined) continue;
      const place = await this.#placeAt(said, title, candidate);
      if (place.isThere) return place;
    }
    const [alike, ...others] = await this.#namesakes(own);
    if (alike !== undefined && others.length === 0) return { said, title, path: alike, isThere: true };
    return { said, title, path: recorded ?? own, isThere: false };
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

  /** Sources, and folders right in a source, that are called as the folder is. */
  async #namesakes(path: Buffer): Promise<Buffer[]> {
    const name = baseName(path);
    const found = new Map<string, Buffer>();
    for (const source of this.#snapshot.paths) {
      const candidate = baseName(source).equals(name) ? source : joinPath(source, name);
      const real =
        name.length === 0 ? undefined : await followFolder(this.#repository.blobs, this.#snapshot, candidate);
      if (real !== undefined) found.set(real.toString('latin1'), real);
    }
    return [...found.values()];
  }
}
