/** The one open repository that all reads share. */

import { openRepository, type Repository } from '../engine/index.ts';
import type { RepositoryPlace } from './jobs/messages.ts';

export class RepositoryAccess {
  readonly #place: RepositoryPlace;
  #opening: Promise<Repository> | undefined;

  constructor(place: RepositoryPlace) {
    this.#place = place;
  }

  /** Opens it when it is first asked for, and again after that failed: a disk may be back. */
  async get(): Promise<Repository> {
    this.#opening ??= openRepository({ ...this.#place, keepsSnapshots: true });
    try {
      return await this.#opening;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }

  async close(): Promise<void> {
    const opening = this.#opening;
    this.#opening = undefined;
    const repository = await opening?.catch(() => undefined);
    await repository?.close();
  }
}
