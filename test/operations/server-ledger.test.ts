/** The pure part of a comparison: from verdicts in the order of a tree to lines that a person reads. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SERVER_MISSES_MAX } from '../../engine/base/limits.ts';
import { treeKey } from '../../engine/base/server-paths.ts';
import { Ledger, type Library, onlyInSecond, type Verdict } from '../../engine/operations/servers/ledger.ts';
import type { MissKind } from '../../engine/repository/server-check.ts';
import { randomFor, rounds } from '../support/random.ts';

type Line = readonly [path: string, verdict: Verdict, what?: MissKind, library?: number | undefined];

function library(path: string, isThere = true): Library {
  return { title: `library ${path}`, path: Buffer.from(path), isThere };
}

function told(
  libraries: readonly Library[],
  lines: readonly Line[],
): { lines: string[]; count: number; ledger: Ledger } {
  const ledger = new Ledger(libraries);
  for (const [path, verdict, what = 'file', number = 0] of lines) {
    ledger.add({ key: treeKey(Buffer.from(path)), what, title: path.slice(-1), library: number }, verdict);
  }
  const { misses, missCount } = ledger.finish();
  return { lines: misses.map(({ what, path, entries }) => `${what} ${path} ${entries}`), count: missCount, ledger };
}

test('a missing folder stands for what lies in it, and one path for all rows that name it', () => {
  const { lines, count, ledger } = told(
    [library('/l')],
    [
      ['/l/a', 'there', 'folder'],
      ['/l/b', 'missing', 'folder'],
      ['/l/b/1', 'missing'],
      ['/l/b/c/2', 'missing'],
      ['/l/b.x', 'missing'],
      ['/l/d', 'missing'],
      ['/l/d', 'missing'],
    ],
  );
  assert.deepEqual(lines, ['folder /l/b 1', 'file /l/b.x 1', 'file /l/d 1']);
  assert.deepEqual([count, ledger.rows, ledger.there], [3, 7, 1]);
});

test('what was left out, and what nobody can tell, is counted and no miss', () => {
  const { lines, ledger } = told(
    [library('/l')],
    [
      ['/l/a', 'left-out'],
      ['/l/b', 'unjudged'],
      ['/l/c', 'there'],
    ],
  );
  assert.deepEqual(lines, []);
  assert.deepEqual([ledger.leftOut, ledger.unjudged, ledger.there], [1, 1, 1]);
});

test('a library without anything is one line; one of which little is named, or something is there, is not', () => {
  const many = (above: string, verdict: Verdict, number: number | undefined, count = 20): Line[] =>
    Array.from({ length: count }, (_, index): Line => [`${above}/${index + 10}`, verdict, 'file', number]);
  const libraries = [library('/empty'), library('/absent', false), library('/half'), library('/small')];
  const { lines, count } = told(libraries, [
    ...many('/absent', 'missing', 1, 1),
    ...many('/empty', 'missing', 0),
    ...many('/half', 'missing', 2),
    ['/half/99', 'there', 'file', 2],
    ...many('/small', 'missing', 3, 2),
  ]);
  assert.deepEqual(
    lines.filter((line) => line.startsWith('library')),
    ['library /absent 1', 'library /empty 20'],
  );
  assert.equal(lines.filter((line) => line.startsWith('file /half')).length, 20);
  assert.equal(lines.filter((line) => line.startsWith('file /small')).length, 2);
  assert.equal(count, lines.length);
});

test('paths in no library of which nothing is there are one line with the folder that they share', () => {
  const ledger = new Ledger([]);
  for (let item = 10; item < 40; item++) {
    const key = treeKey(Buffer.from(`/usr/share/metadata/items/${item}/cover.jpg`));
    ledger.add({ key, what: 'cover', title: 'x', library: undefined }, 'missing');
  }
  const { misses, missCount } = ledger.finish();
  assert.equal(missCount, 1);
  assert.deepEqual([misses[0]?.path.toString(), misses[0]?.entries], ['/usr/share/metadata/items', 30]);
});

test('misses are bounded, their count is not', () => {
  const ledger = new Ledger([library('/a'), library('/b')]);
  for (const [number, name] of ['a', 'b'].entries()) {
    ledger.add({ key: treeKey(Buffer.from(`/${name}/0`)), what: 'file', title: '', library: number }, 'there');
    for (let at = 0; at < SERVER_MISSES_MAX; at++) {
      const key = treeKey(Buffer.from(`/${name}/${100_000 + at}`));
      ledger.add({ key, what: 'file', title: '', library: number }, 'missing');
    }
  }
  for (let at = 0; at < SERVER_MISSES_MAX; at++) ledger.addWithoutRow(treeKey(Buffer.from(`/a/A/${at} (1)`)));
  ledger.addValue('t', 'said');
  const { misses, missCount } = ledger.finish();
  assert.deepEqual([misses.length, missCount], [SERVER_MISSES_MAX, 3 * SERVER_MISSES_MAX + 1]);
});

test('two sorted streams give what only the second has', async (t) => {
  const random = randomFor(t);
  async function* stream(keys: readonly Buffer[]): AsyncGenerator<Buffer> {
    yield* keys;
  }
  for (let round = 0; round < rounds(50); round++) {
    const keys = (count: number): Buffer[] =>
      Array.from({ length: random.below(count) }, () => Buffer.from([random.below(16), random.below(3)])).sort(
        Buffer.compare,
      );
    const first = keys(30);
    const second = [...new Set(keys(30).map((key) => key.toString('latin1')))].map((key) => Buffer.from(key, 'latin1'));
    const found: string[] = [];
    for await (const key of onlyInSecond(stream(first), stream(second))) found.push(key.toString('hex'));
    const has = new Set(first.map((key) => key.toString('hex')));
    assert.deepEqual(
      found,
      second.map((key) => key.toString('hex')).filter((key) => !has.has(key)),
    );
  }
});
