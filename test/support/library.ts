/** A source folder and a repository beside it, for tests of operations through the engine's own calls. */

import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { backup } from '../../engine/operations/backup/backup.ts';
import type { BackupOptions, BackupResult } from '../../engine/operations/backup/options.ts';
import type { RestoreOptions, RestoreResult } from '../../engine/operations/restore/options.ts';
import { restore } from '../../engine/operations/restore/restore.ts';
import { Repository } from '../../engine/repository/repository.ts';
import type { Backend } from '../../engine/storage/backend.ts';
import { testFolder, testRepository } from './build-repository.ts';

export class Library {
  readonly folder: string;
  readonly source: string;
  #repository: Repository;
  #restores = 0;

  private constructor(folder: string, repository: Repository) {
    this.folder = folder;
    this.source = join(folder, 'source');
    this.#repository = repository;
  }

  /** `folder` lies in `parent`'s file system where one is given. */
  static async make(
    t: TestContext,
    options: { readonly backend?: Backend; readonly folder?: string } = {},
  ): Promise<Library> {
    const folder = options.folder ?? testFolder(t);
    const repository = await testRepository({
      folder,
      ...(options.backend === undefined ? {} : { backend: options.backend }),
    });
    return new Library(folder, repository);
  }

  get repository(): Repository {
    return this.#repository;
  }

  /** As another process would see it. With another backend: the same files through it. */
  async reopen(backend: Backend = this.#repository.backend): Promise<Repository> {
    const { cacheDirectory } = this.#repository;
    this.#repository = await Repository.open({ backend, credential: { type: 'none' }, cacheDirectory });
    return this.#repository;
  }

  /** A backup of the source by a process of its own, as far as the repository can tell. */
  async backup(options: Partial<BackupOptions> = {}): Promise<BackupResult> {
    await this.reopen();
    return backup(this.#repository, { paths: [Buffer.from(this.source)], ...options });
  }

  /** Restores the source of a snapshot into a new folder, and returns that. */
  async restore(
    snapshot = 'latest',
    options: Partial<RestoreOptions> = {},
  ): Promise<RestoreResult & { target: string }> {
    await this.reopen();
    const target = join(this.folder, `restored ${++this.#restores}`);
    const result = await restore(this.#repository, {
      snapshot,
      path: Buffer.from(this.source),
      target: Buffer.from(target),
      ...options,
    });
    return { ...result, target };
  }
}
