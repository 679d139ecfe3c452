/** A library whose snapshots are remembered by what they must restore, for tests of prune. */

import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import type { SnapshotId } from '../../engine/base/ids.ts';
import { check } from '../../engine/operations/check/check.ts';
import type { PruneOptions, PruneResult } from '../../engine/operations/prune/options.ts';
import { prune } from '../../engine/operations/prune/prune.ts';
import { unlock } from '../../engine/operations/unlock.ts';
import type { Backend } from '../../engine/storage/backend.ts';
import { Library } from './library.ts';
import type { Random } from './random.ts';
import { treeState } from './tree-state.ts';

export class Prunable {
  readonly library: Library;
  readonly #random: Random;
  readonly #states = new Map<SnapshotId, ReadonlyMap<string, string>>();

  private constructor(library: Library, random: Random) {
    this.library = library;
    this.#random = random;
  }

  static async make(t: TestContext, random: Random, backend?: Backend): Promise<Prunable> {
    const library = await Library.make(t, backend === undefined ? {} : { backend });
    mkdirSync(library.source);
    return new Prunable(library, random);
  }

  write(name: string, bytes: number | Buffer): void {
    const path = join(this.library.source, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, typeof bytes === 'number' ? this.#random.bytes(bytes) : bytes);
  }

  remove(name: string): void {
    rmSync(join(this.library.source, name), { recursive: true, force: true });
  }

  async backup(): Promise<SnapshotId> {
    const { snapshot, problemCount } = await this.library.backup({ databases: false, workers: 2 });
    assert.equal(problemCount, 0);
    assert.ok(snapshot !== undefined);
    this.#states.set(snapshot.id, treeState(this.library.source));
    return snapshot.id;
  }

  async forget(...ids: readonly SnapshotId[]): Promise<void> {
    const { repository } = this.library;
    for (const snapshot of ids) {
      const annotations = await repository.snapshots.annotations();
      await annotations.add(repository, { kind: 'forgotten', snapshot, value: true });
      this.#states.delete(snapshot);
    }
  }

  /** As a process of its own. */
  async prune(options: PruneOptions = {}, backend?: Backend): Promise<PruneResult> {
    const repository = await (backend === undefined ? this.library.reopen() : this.library.reopen(backend));
    return prune(repository, options);
  }

  /** Check with all data read finds nothing. */
  async isSound(backend?: Backend): Promise<void> {
    const repository = await (backend === undefined ? this.library.reopen() : this.library.reopen(backend));
    assert.deepEqual((await check(repository, { readData: true })).errors, []);
  }

  /** The same, and every snapshot that was not forgotten restores to what it was made of. */
  async isWhole(backend?: Backend): Promise<void> {
    await this.isSound(backend);
    const listed = (await this.library.repository.snapshots.list()).map(({ id }) => id);
    for (const id of this.#states.keys()) assert.ok(listed.includes(id), `snapshot ${id} is listed`);
    for (const [id, state] of this.#states) {
      const { target, problemCount } = await this.library.restore(id);
      assert.equal(problemCount, 0);
      assert.deepEqual(treeState(target), state);
      rmSync(target, { recursive: true });
    }
  }

  /** Ends the leases of whoever was killed: this very process would be taken for them. */
  async unlock(): Promise<void> {
    await unlock(this.library.repository, { all: true });
  }

  async files(kind: 'pack' | 'index' | 'snapshot' | 'mark' | 'lock' | 'annotation'): Promise<string[]> {
    const names: string[] = [];
    for await (const { name } of this.library.repository.backend.list(kind)) names.push(name);
    return names.sort();
  }

  async packBytes(): Promise<number> {
    let sum = 0;
    for await (const { bytes } of this.library.repository.backend.list('pack')) sum += bytes;
    return sum;
  }
}
