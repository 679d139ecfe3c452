import assert from 'node:assert/strict';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CHEAP_PASSWORD, CliFixture, type Json, lastJson } from '../support/cli.ts';
import { randomFor } from '../support/random.ts';
import { treeState } from '../support/tree-state.ts';
import { describeTree, makeZoo } from '../support/zoo.ts';

/** Two repositories; with `shared` the second one names content as the first does. */
class CopyFixture extends CliFixture {
  readonly second: string;
  readonly password: string;
  readonly #shared: boolean;
  #restores = 0;

  constructor(t: TestContext, shared: boolean) {
    super(t);
    this.#shared = shared;
    this.second = join(this.folder, 'second');
    this.password = join(this.folder, 'second.password');
    writeFileSync(this.password, 'another horse\n');
  }

  async initBoth(): Promise<void> {
    await this.init();
    const model = this.#shared
      ? ['--copy-chunker-params', this.repository, '--from-password-command', 'echo "correct horse"']
      : [];
    await this.ok(['init', '-r', this.second, '--password-file', this.password, ...model, ...CHEAP_PASSWORD]);
  }

  get inSecond(): readonly string[] {
    return ['-r', this.second, '--password-file', this.password];
  }

  get to(): readonly string[] {
    return ['--to', this.second, '--to-password-file', this.password];
  }

  copy(...parameters: readonly string[]): Promise<Json> {
    return this.json(['copy', ...this.to, ...parameters]);
  }

  async isSound(): Promise<void> {
    const summary = await this.json(['check', '--read-data', ...this.inSecond]);
    assert.deepEqual(summary.errors, []);
  }

  async comesBack<State>(snapshot: string, expected: State, state: (folder: string) => State): Promise<void> {
    const target = join(this.folder, `restored ${++this.#restores}`);
    await this.ok(['restore', `${snapshot}:${this.source}`, '--target', target, '--verify', ...this.inSecond]);
    assert.deepEqual(state(target), expected);
  }

  files(repository: string): string[] {
    const folders = ['packs', 'index', 'snapshots', 'locks'];
    return folders.flatMap((folder) =>
      readdirSync(join(repository, folder), { recursive: true }).map((name) => `${folder}/${name}`),
    );
  }
}

for (const shared of [true, false]) {
  const how = shared ? 'that shares ids' : 'with secrets of its own';

  test(`everything copied to a repository ${how} is sound, restores equal, and is copied once`, async (t) => {
    const cli = new CopyFixture(t, shared);
    await cli.initBoth();
    const { missing } = makeZoo(cli.source);
    assert.deepEqual(process.geteuid?.() === 0 ? missing : [], []);
    const states = [describeTree(cli.source)];
    const ids = [(await cli.json(['backup', cli.source, '--tag', 'one', '--exclude', 'nothing like it'])).snapshot_id];
    appendFileSync(join(cli.source, 'plain', 'large'), 'more');
    renameSync(join(cli.source, 'many'), join(cli.source, 'many more'));
    states.push(describeTree(cli.source));
    ids.push((await cli.json(['backup', cli.source, '--label', 'two'])).snapshot_id);

    const plan = await cli.copy('--dry-run');
    assert.deepEqual([plan.planned, plan.copied, cli.files(cli.second)], [ids, [], []]);
    const first = await cli.copy();
    assert.deepEqual([first.snapshots_copied, first.ids_kept], [2, shared]);
    assert.deepEqual(
      first.copied.map(({ id }: Json) => id),
      ids,
    );
    await cli.isSound();
    for (const [number, { copied_as }] of first.copied.entries()) {
      await cli.comesBack(copied_as, states[number] ?? assert.fail(), describeTree);
    }
    const listed = await cli.json(['snapshots', ...cli.inSecond]);
    const original = await cli.json(['snapshots']);
    for (const key of ['time', 'host', 'label', 'tags', 'paths', 'summary', 'databases']) {
      assert.deepEqual(
        listed.map((one: Json) => one[key]),
        original.map((one: Json) => one[key]),
        key,
      );
    }
    assert.equal(listed[1].parent, listed[0].id);
    assert.equal(listed[0].tree === original[0].tree, shared);

    const before = cli.files(cli.second);
    const again = await cli.copy();
    assert.deepEqual([again.snapshots_copied, again.snapshots_present, again.bytes_read], [0, 2, 0]);
    assert.deepEqual(cli.files(cli.second), before);
    assert.deepEqual(readdirSync(join(cli.repository, 'locks')), []);
  });

  test(`a copy to a repository ${how} reads and stores only what is missing`, async (t) => {
    const cli = new CopyFixture(t, shared);
    const random = randomFor(t);
    await cli.initBoth();
    mkdirSync(join(cli.source, 'inner'), { recursive: true });
    for (let number = 0; number < 300; number++) writeFileSync(join(cli.source, `${number}`), random.bytes(20_000));
    writeFileSync(join(cli.source, 'inner', 'large'), random.bytes(5_000_000));
    await cli.ok(['backup', cli.source]);
    const first = await cli.copy();
    assert.ok(first.data_added >= 11_000_000, `${first.data_added}`);
    writeFileSync(join(cli.source, 'inner', 'new'), random.bytes(30_000));
    await cli.ok(['backup', cli.source]);
    const state = treeState(cli.source);
    const second = await cli.copy('latest');
    assert.equal(second.snapshots_copied, 1);
    assert.equal(second.bytes_read, 30_000);
    assert.ok(second.data_added < 200_000, `${second.data_added}`);
    await cli.isSound();
    await cli.comesBack('latest', state, treeState);
  });

  test(`a copy to a repository ${how} killed at any moment goes on, and the end is the same`, async (t) => {
    const cli = new CopyFixture(t, shared);
    const random = randomFor(t);
    await cli.initBoth();
    mkdirSync(cli.source);
    const states: Map<string, string>[] = [];
    for (let round = 0; round < 5; round++) {
      for (let number = 0; number < 40; number++) {
        writeFileSync(join(cli.source, `${round} ${number}`), random.bytes(random.below(400_000)));
      }
      await cli.ok(['backup', cli.source]);
      states.push(treeState(cli.source));
    }
    let kills = 0;
    for (let attempt = 0; ; attempt++) {
      assert.ok(attempt < 60, 'it comes to an end');
      const child = cli.spawn(['copy', ...cli.to, '--json']);
      let output = '';
      child.stdout?.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
      child.stderr?.resume();
      const timer = setTimeout(() => child.kill('SIGKILL'), 150 + attempt * 40 + random.below(100));
      const [code] = (await once(child, 'close')) as [number | null];
      clearTimeout(timer);
      if (code === null) {
        kills++;
        continue;
      }
      assert.equal(code, 0);
      assert.equal(lastJson(output).snapshots_copied + lastJson(output).snapshots_present, 5);
      break;
    }
    t.diagnostic(`${kills} kills`);
    await cli.isSound();
    for (const [number, state] of states.entries()) await cli.comesBack(`latest~${4 - number}`, state, treeState);
    // The last kill may have come when all was done: then nobody was there to tidy up.
    await cli.ok(['unlock', ...cli.inSecond]);
    assert.deepEqual(readdirSync(join(cli.second, 'locks')), []);
    assert.deepEqual((await cli.json(['snapshots', ...cli.inSecond])).length, 5);
  });

  test(`damage in the source stops only the snapshots that need what is damaged, to a repository ${how}`, async (t) => {
    const cli = new CopyFixture(t, shared);
    const random = randomFor(t);
    await cli.initBoth();
    mkdirSync(cli.source);
    const packs = (): string[] => cli.files(cli.repository).filter((name) => /^packs\/..\/.{32}$/.test(name));
    writeFileSync(join(cli.source, 'first'), random.bytes(50_000));
    const sound = await cli.json(['backup', cli.source]);
    const before = new Set(packs());
    writeFileSync(join(cli.source, 'second'), random.bytes(500_000));
    const harmed = await cli.json(['backup', cli.source]);
    rmSync(join(cli.source, 'second'));
    writeFileSync(join(cli.source, 'third'), random.bytes(50_000));
    await cli.ok(['backup', cli.source, '--max-shrink', '100']);
    const state = treeState(cli.source);
    const sizes = packs()
      .filter((name) => !before.has(name))
      .map((name) => ({ name, bytes: readFileSync(join(cli.repository, name)) }));
    const largest = sizes.reduce((a, b) => (b.bytes.length > a.bytes.length ? b : a));
    largest.bytes[60_000] = (largest.bytes[60_000] ?? 0) ^ 1;
    rmSync(join(cli.repository, largest.name));
    writeFileSync(join(cli.repository, largest.name), largest.bytes);
    const run = await cli.run(['copy', ...cli.to, '--json']);
    assert.equal(run.code, 20, run.stderr);
    const summary = lastJson(run.stdout);
    assert.deepEqual(
      summary.failed.map(({ id, code }: Json) => [id, code]),
      [[harmed.snapshot_id, 'OBJECT_CORRUPT']],
    );
    assert.equal(summary.copied[0].id, sound.snapshot_id);
    assert.equal(summary.snapshots_copied, 2);
    await cli.isSound();
    await cli.comesBack('latest', state, treeState);
  });
}

test('a copy to itself, to nowhere, or without the right password is refused by its exit code', async (t) => {
  const cli = new CopyFixture(t, true);
  await cli.initBoth();
  assert.equal((await cli.run(['copy', '--to', cli.repository])).code, 2);
  assert.equal((await cli.run(['copy'])).code, 2);
  assert.equal((await cli.run(['copy', '--to', join(cli.folder, 'nowhere')])).code, 10);
  assert.equal((await cli.run(['copy', '--to', cli.second])).code, 12);
  assert.equal((await cli.run(['copy', ...cli.to, 'abcdef12'])).code, 1);
  assert.equal((await cli.copy()).snapshots_copied, 0);
});
