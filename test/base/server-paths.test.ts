import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SERVER_PATH_BYTES_MAX } from '../../engine/base/limits.ts';
import { pathOfTreeKey, placedKey, plainPath, type ServerPlace, treeKey } from '../../engine/base/server-paths.ts';
import { randomFor, rounds } from '../support/random.ts';

/** As a tree is walked: name by name, a directory before what it holds. */
function compareByNames(a: Buffer, b: Buffer): number {
  const [names, others] = [a, b].map((path) => path.toString('latin1').split('/'));
  for (const [index, name] of (names ?? []).entries()) {
    const other = others?.[index];
    if (other === undefined) return 1;
    const order = Buffer.from(name, 'latin1').compare(Buffer.from(other, 'latin1'));
    if (order !== 0) return order;
  }
  return (names?.length ?? 0) - (others?.length ?? 0);
}

test('keys have the order of a tree, which is not that of paths', (t) => {
  const random = randomFor(t);
  const letters = [0x01, 0x20, 0x2e, 0x2f, 0x2f, 0x30, 0x61, 0xc3, 0xff];
  const paths = Array.from({ length: rounds(400) }, () => {
    const bytes = Buffer.from(
      Array.from({ length: random.below(9) }, () => letters[random.below(letters.length)] ?? 0),
    );
    return Buffer.concat([Buffer.from('/'), bytes]);
  });
  const byKey = paths.toSorted((a, b) => treeKey(a).compare(treeKey(b)));
  assert.deepEqual(byKey, paths.toSorted(compareByNames));
  assert.notDeepEqual(byKey, paths.toSorted(Buffer.compare));
  for (const path of paths) assert.deepEqual(pathOfTreeKey(treeKey(path)), path);
});

test('a plain path has one slash between names; what no file can be called is none', () => {
  const cases: readonly (readonly [unknown, string | undefined])[] = [
    ['/a/b', '/a/b'],
    ['/a/b/', '/a/b'],
    ['//a///b//', '/a/b'],
    ['/./a/./b/.', '/a/b'],
    ['/', '/'],
    ['/...', '/...'],
    ['/.a/..b/c..', '/.a/..b/c..'],
    ['/a/../b', undefined],
    ['/..', undefined],
    ['/a/..', undefined],
    ['a/b', undefined],
    ['', undefined],
    ['C:/books', undefined],
    ['/a\0b', undefined],
    [null, undefined],
    [17, undefined],
    [Buffer.from('/a'), undefined],
    [`/${'a'.repeat(SERVER_PATH_BYTES_MAX)}`, undefined],
  ];
  for (const [said, path] of cases) assert.equal(plainPath(said), path, String(said).slice(0, 40));
});

test('a path lies in the deepest of the places that hold it, and where it says in none', () => {
  const places: readonly ServerPlace[] = [
    { said: '/media', path: Buffer.from('/srv/media') },
    { said: '/media/books', path: Buffer.from('/mnt/b\xff', 'latin1') },
    { said: '/all', path: Buffer.from('/') },
  ];
  const cases: readonly (readonly [string, string])[] = [
    ['/media', '/srv/media'],
    ['/media/', '/srv/media'],
    ['/media/film', '/srv/media/film'],
    ['/mediaplayer/x', '/mediaplayer/x'],
    ['/media/books', '/mnt/b\xff'],
    ['/media/books/x', '/mnt/b\xff/x'],
    ['/media/bookshelf', '/srv/media/bookshelf'],
    ['/all', '/'],
    ['/all/x', '/x'],
    ['/other', '/other'],
  ];
  for (const [said, path] of cases) {
    assert.deepEqual(placedKey(said, places), treeKey(Buffer.from(path, 'latin1')), said);
  }
  const root = [{ said: '/', path: Buffer.from('/lib') }];
  assert.deepEqual(placedKey('/a/b', root), treeKey(Buffer.from('/lib/a/b')));
  assert.deepEqual(placedKey('/', root), treeKey(Buffer.from('/lib')));
  assert.equal(placedKey('/a/../b', root), undefined);
});
