/**
 * Prune beside backups, forgets and restores of other processes, some of which are stopped for a while or killed, against
 * a model that knows what each snapshot must hold. SNAP_TEST_ROUNDS makes it longer: 6 are two minutes.
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SnapshotId } from '../../engine/base/ids.ts';
import { Repository } from '../../engine/repository/repository.ts';
import { openLocation } from '../../engine/storage/open.ts';
import { CliFixture, lastJson } from '../support/cli.ts';
import { Random, randomFor, rounds } from '../support/random.ts';
import { treeState } from '../support/tree-state.ts';

const OPEN = ['--insecure-no-password'];
const MIX_MS = 20_000;

interface Expected {
  readonly source: string;
  readonly state: ReadonlyMap<string, string>;
  readers: number;
}

class Mix {
  readonly #cli: CliFixture;
  readonly #seed: number;
  readonly #endMs = performance.now() + rounds(MIX_MS);
  readonly expected = new Map<SnapshotId, Expected>();
  readonly counts: { [name: string]: number } = {};
  /** What all hosts have in common, so that chunks are shared. */
  readonly #common: Buffer;

  constructor(cli: CliFixture, random: Random) {
    this.#cli = cli;
    this.#seed = random.below(2 ** 31);
    this.#common = random.bytes(400_000);
  }

  get #goesOn(): boolean {
    return performance.now() < this.#endMs;
  }

  #count(name: string): void {
    this.counts[name] = (this.counts[name] ?? 0) + 1;
  }

  /** Runs a command; it may be stopped for a while, or killed: then undefined. */
  async #run(parameters: readonly string[], random: Random, cache: string): Promise<string | undefined> {
    const child = this.#cli.spawn([...parameters, ...OPEN, '--json'], { env: { SNAP_CACHE_DIR: cache } });
    let output = '';
    let errors = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    const fate = random.below(8);
    const ended = once(child, 'close') as Promise<[number | null]>;
    if (fate < 2) {
      await sleep(100 + random.below(900));
      child.kill(fate === 0 ? 'SIGKILL' : 'SIGSTOP');
      if (fate === 1) {
        await sleep(random.below(4000));
        child.kill('SIGCONT');
      }
    }
    const [code] = await ended;
    if (code === null) return undefined;
    assert.equal(code, 0, `snap ${parameters.join(' ')}: ${code} ${errors} ${output}`);
    return output;
  }

  async backups(host: number): Promise<void> {
    const random = new Random(this.#seed + host);
    const source = join(this.#cli.folder, `source ${host}`);
    const cache = join(this.#cli.folder, `cache ${host}`);
    mkdirSync(source);
    while (this.#goesOn) {
      for (let change = 0; change < 6; change++) {
        const name = join(source, String(random.below(15)));
        rmSync(name, { force: true });
        const start = random.below(this.#common.length);
        const bytes = random.below(3) === 0 ? random.bytes(random.below(60_000)) : this.#common.subarray(start);
        if (random.below(4) > 0) writeFileSync(name, bytes);
      }
      writeFileSync(join(source, 'always'), random.bytes(10));
      const output = await this.#run(['backup', source, '--no-databases', '--max-shrink', '100'], random, cache);
      this.#count(output === undefined ? 'backups killed' : 'backups');
      if (output === undefined) continue;
      const { snapshot_id: id } = lastJson(output);
      this.expected.set(id, { source, state: treeState(source), readers: 0 });
    }
  }

  async prunes(): Promise<void> {
    const random = new Random(this.#seed + 100);
    const cache = join(this.#cli.folder, 'cache 1');
    while (this.#goesOn) {
      const limit = random.below(2) === 0 ? '0%' : '20%';
      const output = await this.#run(['prune', '--max-unused', limit], random, cache);
      this.#count(output === undefined ? 'prunes killed' : 'prunes');
      if (output !== undefined) {
        const { packs_removed: removed, packs_marked: marked } = lastJson(output);
        if (removed > 0) this.#count('prunes that removed');
        if (marked > 0) this.#count('prunes that marked');
      }
    }
  }

  async forgets(): Promise<void> {
    const random = new Random(this.#seed + 200);
    while (this.#goesOn) {
      await sleep(300 + random.below(1500));
      const old = [...this.expected].filter(([, { readers }]) => readers === 0);
      if (old.length < 5) continue;
      const [id] = old[random.below(old.length)] ?? [];
      if (id === undefined) continue;
      this.expected.delete(id);
      const repository = await this.open();
      const annotations = await repository.snapshots.annotations();
      await annotations.add(repository, { kind: 'forgotten', snapshot: id, value: true });
      await repository.close();
      this.#count('forgets');
    }
  }

  async restores(): Promise<void> {
    const random = new Random(this.#seed + 300);
    while (this.#goesOn) {
      const all = [...this.expected];
      const [id, expected] = all[random.below(all.length)] ?? [];
      if (id === undefined || expected === undefined) await sleep(200);
      else await this.restore(id, expected, random);
    }
  }

  async restore(id: SnapshotId, expected: Expected, random: Random): Promise<void> {
    const target = join(this.#cli.folder, `restored ${id}`);
    expected.readers++;
    const subject = `${id}:${expected.source}`;
    const output = await this.#run(['restore', subject, '--target', target], random, join(this.#cli.folder, 'cache 0'));
    expected.readers--;
    if (output !== undefined) assert.deepEqual(treeState(target), expected.state);
    rmSync(target, { recursive: true, force: true });
    this.#count(output === undefined ? 'restores killed' : 'restores');
  }

  async open(): Promise<Repository> {
    const backend = await openLocation(this.#cli.repository);
    return Repository.open({ backend, credential: { type: 'none' }, cacheDirectory: join(this.#cli.folder, 'cache') });
  }
}

test('prune beside backups, forgets and restores of other processes never loses what a snapshot holds', {
  timeout: 24 * 3600_000,
}, async (t: TestContext) => {
  const random = randomFor(t);
  const cli = new CliFixture(t);
  await cli.ok(['init', ...OPEN]);
  const mix = new Mix(cli, random);
  await Promise.all([mix.backups(0), mix.backups(1), mix.prunes(), mix.forgets(), mix.restores()]);
  t.diagnostic(JSON.stringify(mix.counts));
  await cli.ok(['prune', '--max-unused', '0%', ...OPEN]);
  await cli.ok(['check', '--read-data', ...OPEN]);
  const repository = await mix.open();
  assert.deepEqual(
    (await repository.snapshots.list())
      .map(({ id }) => id)
      .filter((id) => mix.expected.has(id))
      .sort(),
    [...mix.expected.keys()].sort(),
  );
  await repository.close();
  // Without a fate of their own.
  const calm = { below: () => 7 } as unknown as Random;
  for (const [id, expected] of mix.expected) await mix.restore(id, expected, calm);
});
