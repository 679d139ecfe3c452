import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { BLOB_ID_BYTES, type BlobId } from '../../engine/base/ids.ts';
import { S_IFREG, STAT_BYTES, writeStat } from '../../engine/base/stat.ts';
import { decodeRow, encodeRow, NO_CONTENT, rowLengthAt } from '../../engine/format/row.ts';
import { type BranchEntry, decodeTreePart, encodeBranch, encodeLeaf, nameHash } from '../../engine/format/tree-part.ts';
import { type LoadTreePart, mergeTrees } from '../../engine/repository/tree-merge.ts';
import { randomFor, rounds } from '../support/random.ts';

/** Name to value; the value is in the row's inode. */
type Version = ReadonlyMap<string, number>;

const time = { seconds: 1, nanoseconds: 0 };

function rowOf(name: string, value: number): Buffer {
  const stat = Buffer.alloc(STAT_BYTES);
  const fields = { mode: S_IFREG, uid: 0, gid: 0, links: 1, inode: BigInt(value), size: 0, mtime: time, ctime: time };
  writeStat(stat, 0, fields);
  return encodeRow({ name: Buffer.from(name, 'latin1'), stat, content: NO_CONTENT });
}

/** Blobs in memory, split at content-defined places into parts of a few rows. */
class Parts {
  readonly #blobs = new Map<string, Buffer>();
  readonly #average: number;
  readonly loaded: string[] = [];

  constructor(average: number) {
    this.#average = average;
  }

  readonly load: LoadTreePart = async (treeId) => {
    this.loaded.push(treeId.toString('hex'));
    return decodeTreePart(this.#blobs.get(treeId.toString('hex')) ?? assert.fail('no such part'), 'a part');
  };

  #save(bytes: Buffer): BlobId {
    const id = createHash('sha256').update(bytes).digest().subarray(0, BLOB_ID_BYTES) as BlobId;
    this.#blobs.set(id.toString('hex'), bytes);
    return id;
  }

  save(version: Version): BlobId {
    const names = [...version.keys()].sort((a, b) => Buffer.from(a, 'latin1').compare(Buffer.from(b, 'latin1')));
    const rows = names.map((name) => rowOf(name, version.get(name) ?? 0));
    if (rows.length === 0) return this.#save(encodeLeaf(0, []));
    let entries: BranchEntry[] = this.#groups(rows, names).map(([first, group]) => ({
      name: Buffer.from(first, 'latin1'),
      treeId: this.#save(encodeLeaf(group.length, group)),
      rows: group.length,
    }));
    for (let level = 1; entries.length > 1; level++) {
      const firsts = entries.map(({ name }) => name.toString('latin1'));
      const groups = this.#groups(entries, firsts);
      // A rule that joins but few would need more levels than there may be.
      const joined = groups.length === entries.length || level >= 4 ? [[firsts[0] ?? '', entries] as const] : groups;
      entries = joined.map(([first, group]) => ({
        name: Buffer.from(first, 'latin1'),
        treeId: this.#save(encodeBranch(level, group)),
        rows: group.reduce((sum, { rows: below }) => sum + below, 0),
      }));
    }
    return entries[0]?.treeId ?? assert.fail();
  }

  #groups<T>(items: readonly T[], names: readonly string[]): (readonly [string, T[]])[] {
    const groups: [string, T[]][] = [];
    let open: [string, T[]] | undefined;
    for (const [index, item] of items.entries()) {
      const name = Buffer.from(names[index] ?? '', 'latin1');
      open ??= [name.toString('latin1'), []];
      open[1].push(item);
      if (nameHash(name, 0, name.length, 7) % this.#average !== 0) continue;
      groups.push(open);
      open = undefined;
    }
    if (open !== undefined) groups.push(open);
    return groups;
  }
}

/** What the merge says: for each name and version, its value. */
async function merged(parts: Parts, ids: readonly BlobId[], skipShared: boolean): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  let before: Buffer | undefined;
  for await (const batch of mergeTrees(parts.load, ids, { skipShared })) {
    for (const { name, rows } of batch) {
      assert.ok(before === undefined || before.compare(name) < 0, 'names in order, each once');
      before = name;
      const values: string[] = ids.map(() => '-');
      for (const { bytes, at, versions } of rows) {
        const node = decodeRow(bytes.subarray(at, at + rowLengthAt(bytes, at)), 'a row');
        assert.ok(node.name.equals(name));
        for (const version of versions) {
          assert.equal(values[version], '-', 'each version once');
          values[version] = String(node.inode);
        }
      }
      found.set(name.toString('latin1'), values);
    }
  }
  return found;
}

function expected(versions: readonly Version[]): Map<string, string[]> {
  const names = new Set(versions.flatMap((version) => [...version.keys()]));
  return new Map(
    [...names].map((name) => [name, versions.map((version) => (version.has(name) ? String(version.get(name)) : '-'))]),
  );
}

const TABLE: readonly { readonly title: string; readonly versions: readonly { readonly [name: string]: number }[] }[] =
  [
    { title: 'two empty directories', versions: [{}, {}] },
    { title: 'one is empty', versions: [{}, { a: 1, b: 2 }] },
    { title: 'equal ones', versions: [{ a: 1 }, { a: 1 }] },
    {
      title: 'a value that differs',
      versions: [
        { a: 1, b: 1 },
        { a: 1, b: 2 },
      ],
    },
    {
      title: 'nothing in common',
      versions: [
        { a: 1, c: 1 },
        { b: 1, d: 1 },
      ],
    },
    {
      title: 'names that begin alike, and bytes above 127',
      versions: [
        { a: 1, 'a-': 1, ab: 1 },
        { a: 1, 'a\xff': 1 },
      ],
    },
    { title: 'three versions, of which two are equal', versions: [{ a: 1 }, { a: 2, b: 1 }, { a: 1 }] },
  ];

for (const { title, versions } of TABLE) {
  test(`merge: ${title}`, async () => {
    const parts = new Parts(2);
    const maps = versions.map((version) => new Map(Object.entries(version)));
    const ids = maps.map((version) => parts.save(version));
    assert.deepEqual(await merged(parts, ids, false), expected(maps));
  });
}

test('merge: of a split directory only parts that differ are read, also behind an inserted name', async () => {
  const parts = new Parts(8);
  const base = new Map(Array.from({ length: 5000 }, (_, index) => [`file ${String(index).padStart(5, '0')}`, index]));
  const changed = new Map(base).set('file 02500x', 1).set('file 04000', -0 + 7);
  changed.delete('file 00100');
  const ids = [parts.save(base), parts.save(changed)];
  const found = await merged(parts, ids, true);
  const differing = [...found].filter(([, [a, b]]) => a !== b).map(([name]) => name);
  assert.deepEqual(differing, ['file 00100', 'file 02500x', 'file 04000']);
  assert.ok(found.size < 150, `${found.size} names were looked at`);
  assert.ok(parts.loaded.length < 40, `${parts.loaded.length} parts were read`);
});

test('merge: of two versions, names whose rows are equal are left out on demand, wherever the parts end', async () => {
  const names = Array.from({ length: 300 }, (_, index) => `file ${String(index).padStart(3, '0')}`);
  const before = new Map(names.map((name, index) => [name, index]));
  for (const average of [1, 3, 40, 1000]) {
    for (const changed of [[0], [299], [0, 1, 2, 150, 298, 299], [7, 9], names.map((_, index) => index)]) {
      const parts = new Parts(average);
      const after = new Map(before);
      for (const index of changed) after.set(names[index] ?? '', 1000);
      after.delete('file 100');
      after.set('file 200x', 1);
      const found = await merged(parts, [parts.save(before), parts.save(after)], true);
      const wanted = new Set([...changed.map((index) => names[index] ?? ''), 'file 100', 'file 200x']);
      assert.deepEqual([...found.keys()], [...wanted].sort(), `parts of ${average} rows`);
    }
  }
});

test('merge: a part is read once however many versions share it', async () => {
  const parts = new Parts(8);
  const base = new Map(Array.from({ length: 1000 }, (_, index) => [`file ${String(index).padStart(5, '0')}`, index]));
  const versions = Array.from({ length: 20 }, (_, number) =>
    new Map(base).set(`file 0050${number % 10}`, 9000 + number),
  );
  const ids = versions.map((version) => parts.save(version));
  assert.deepEqual(await merged(parts, ids, false), expected(versions));
  assert.equal(parts.loaded.length, new Set(parts.loaded).size);
});

test('merge: random versions against a plain model', async (t) => {
  const random = randomFor(t);
  for (let round = 0; round < rounds(150); round++) {
    const parts = new Parts(1 + random.below(6));
    const base = new Map<string, number>();
    const count = random.below(200);
    for (let index = 0; index < count; index++) base.set(`n${random.below(400)}`, random.below(3));
    const versions = Array.from({ length: 1 + random.below(5) }, () => {
      const version = new Map(base);
      for (let edit = random.below(6); edit > 0; edit--) {
        const name = `n${random.below(400)}`;
        if (random.below(2) === 0) version.delete(name);
        else version.set(name, random.below(5));
      }
      return version;
    });
    const ids = versions.map((version) => parts.save(version));
    const model = expected(versions);
    assert.deepEqual(await merged(parts, ids, false), model);
    const differing = [...(await merged(parts, ids, true))].filter(([, values]) => new Set(values).size > 1);
    assert.deepEqual(
      differing,
      [...model].filter(([, values]) => new Set(values).size > 1).sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  }
});
