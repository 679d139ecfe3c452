import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../../engine/base/errors.ts';
import { PatternSet, pathText } from '../../engine/filesystem/patterns.ts';

const fits = (patterns: string[], path: string | Buffer, isDirectory = false): boolean =>
  new PatternSet(patterns).matches(Buffer.from(path as string), isDirectory);

test('a plain name fits at any depth, and everything below a folder of that name', () => {
  assert.equal(fits(['cache'], '/srv/a/cache', true), true);
  assert.equal(fits(['cache'], '/srv/a/cache/x/y'), true);
  assert.equal(fits(['cache'], '/srv/a/caches'), false);
});

test('case counts unless the set is told otherwise', () => {
  assert.equal(fits(['*.TMP'], '/a/b.tmp'), false);
  assert.equal(new PatternSet(['*.TMP'], { caseInsensitive: true }).matches(Buffer.from('/a/b.tmp'), false), true);
});

test('a leading slash binds a pattern to the root of the file system', () => {
  assert.equal(fits(['/srv/a'], '/srv/a', true), true);
  assert.equal(fits(['/srv/a'], '/x/srv/a', true), false);
  assert.equal(fits(['/srv/*/x'], '/srv/b/x'), true);
});

test('a slash in the middle does not bind a pattern', () => {
  assert.equal(fits(['a/b'], '/x/a/b'), true);
  assert.equal(fits(['a/b'], '/a/b'), true);
  assert.equal(fits(['a/b'], '/xa/b'), false);
  assert.equal(fits(['**/a/b'], '/x/y/a/b'), true);
  assert.equal(fits(['a/**/b'], '/x/a/1/2/b'), true);
});

test('a trailing slash fits folders alone', () => {
  assert.equal(fits(['logs/'], '/a/logs', true), true);
  assert.equal(fits(['logs/'], '/a/logs', false), false);
});

test('a later negation takes back, but not below a folder that is out', () => {
  assert.equal(fits(['*.log', '!keep.log'], '/a/keep.log'), false);
  assert.equal(fits(['*.log', '!keep.log'], '/a/other.log'), true);
  assert.equal(fits(['a', '!a/keep'], '/a/keep'), true);
  assert.equal(fits(['#recycle'], '/a/#recycle', true), true);
});

test('names that are not UTF-8 keep apart and fit wildcards', () => {
  const one = Buffer.from([0x2f, 0x61, 0xff]);
  const two = Buffer.from([0x2f, 0x61, 0xfe]);
  assert.notEqual(pathText(one), pathText(two));
  assert.equal(fits(['a?'], one), true);
  assert.equal(fits([pathText(Buffer.from([0x61, 0xff]))], one), true);
  assert.equal(fits([pathText(Buffer.from([0x61, 0xff]))], two), false);
  assert.equal(fits(['*é*'], Buffer.concat([Buffer.from('/xé'), Buffer.from([0xc3])])), true);
  assert.notEqual(pathText(Buffer.from([0xef, 0xbf, 0xbd])), pathText(Buffer.from([0xef])));
});

test('the root never fits, and an empty set fits nothing', () => {
  assert.equal(fits(['*'], '/', true), false);
  assert.equal(new PatternSet([]).isEmpty, true);
  assert.equal(fits([], '/a'), false);
});

test('odd names do not trouble the matcher', () => {
  for (const name of ['/..a', '/...', '/a\\b', '/a\nb', '/ ', '/%', '/-']) assert.equal(fits(['zz'], name), false);
  assert.equal(fits(['a*'], '/a\nb'), true);
});

test('patterns that can never fit are refused', () => {
  for (const pattern of ['', ' ', '!', '/', 'a\\']) {
    assert.throws(
      () => new PatternSet([pattern]),
      (error) => isEngineError(error, 'INVALID_ARGUMENT'),
    );
  }
  assert.equal(fits(['a\\\\'], '/a\\'), true);
});

test('a million questions take bounded memory and give the same answers', () => {
  const set = new PatternSet(['*.tmp', '/x/d7/']);
  for (let index = 0; index < 30_000; index++) {
    assert.equal(set.matches(Buffer.from(`/x/d${index % 50}/f${index}.tmp`), false), true);
    assert.equal(set.matches(Buffer.from(`/x/d${index % 50}/f${index}`), false), index % 50 === 7);
  }
});
