import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { findEdits, splitLines, unifiedDiff } from '../../../engine/operations/diff/unified-text.ts';
import { testFolder } from '../../support/build-repository.ts';
import { randomFor, rounds } from '../../support/random.ts';

const named = (text: string): { name: string; text: string } => ({ name: 'file', text });

const CASES: readonly (readonly [title: string, before: string, after: string, told: string])[] = [
  ['equal texts', 'a\nb\n', 'a\nb\n', ''],
  ['a line', 'a\nb\nc\n', 'a\nx\nc\n', '@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n'],
  ['from nothing', '', 'a\n', '@@ -0,0 +1 @@\n+a\n'],
  ['to nothing', 'a\n', '', '@@ -1 +0,0 @@\n-a\n'],
  ['a last line without an end', 'a\nb', 'a\nb\n', '@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n'],
  [
    'two places far apart',
    '1\n2\n3\n4\n5\n6\n7\n8\n9\n',
    'x\n2\n3\n4\n5\n6\n7\n8\ny\n',
    '@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n 4\n@@ -6,4 +6,4 @@\n 6\n 7\n 8\n-9\n+y\n',
  ],
];

for (const [title, before, after, told] of CASES) {
  test(`text: ${title}`, () => {
    assert.equal(unifiedDiff(named(before), named(after)), told === '' ? '' : `--- file\n+++ file\n${told}`);
  });
}

test('text: more edits than are looked for count as one', () => {
  const [before, after] = [
    ['a', 'b', 'c', 'd', 'e'],
    ['a', 'x', 'c', 'y', 'e'],
  ];
  assert.equal(findEdits(before, after).length, 2);
  assert.deepEqual(findEdits(before, after, 3), [{ beforeStart: 1, beforeEnd: 4, afterStart: 1, afterEnd: 4 }]);
});

test('text: the fewest lines differ, and patch(1) makes the one of the other', (t) => {
  const random = randomFor(t);
  const folder = testFolder(t);
  const hasPatch = spawnSync('patch', ['--version']).status === 0;
  const path = join(folder, 'file');
  for (let round = 0; round < rounds(60); round++) {
    const lines = Array.from({ length: random.below(40) }, () => `${random.below(6)}\n`);
    const edited = [...lines];
    for (let edit = random.below(8); edit > 0; edit--) {
      edited.splice(
        random.below(edited.length + 1),
        random.below(3),
        ...(random.below(2) === 0 ? [] : [`${random.below(6)}\n`]),
      );
    }
    if (random.below(3) === 0 && edited.length > 0) edited.push('no end');
    const [before, after] = [lines.join(''), edited.join('')];
    const edits = findEdits(splitLines(before), splitLines(after));
    const count = edits.reduce(
      (sum, edit) => sum + edit.beforeEnd - edit.beforeStart + edit.afterEnd - edit.afterStart,
      0,
    );
    assert.equal(count, fewestEdits(splitLines(before), splitLines(after)));
    if (!hasPatch || before === after) continue;
    writeFileSync(path, before);
    execFileSync('patch', ['-s', '--posix', '-u', path], { input: unifiedDiff(named(before), named(after)) });
    assert.equal(spawnSync('test', ['-e', path]).status === 0 ? readFileSync(path, 'utf8') : '', after);
  }
});

function fewestEdits(before: readonly string[], after: readonly string[]): number {
  let row = Array.from({ length: after.length + 1 }, (_, y) => y);
  for (const [x, line] of before.entries()) {
    const next = [x + 1];
    for (const [y, other] of after.entries()) {
      next.push(line === other ? (row[y] ?? 0) : 1 + Math.min(row[y + 1] ?? 0, next[y] ?? 0));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
