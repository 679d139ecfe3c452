/** Paths in values of a database: what fits, what it becomes, and that nothing else of the value changes. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fastCheck from 'fast-check';
import { type PathForm, PathMapper } from '../../engine/databases/path-values.ts';

interface Case {
  readonly form?: PathForm;
  /** FROM=TO */
  readonly maps: readonly string[];
  readonly value: string;
  /** Undefined where nothing fits. */
  readonly becomes: string | undefined;
}

const BOOKS = ['/books=/data/books'];

const CASES: { readonly [what: string]: Case } = {
  'the path itself': { maps: BOOKS, value: '/books', becomes: '/data/books' },
  'what lies below it': { maps: BOOKS, value: '/books/A/B.m4b', becomes: '/data/books/A/B.m4b' },
  'a slash at the end stays': { maps: BOOKS, value: '/books/', becomes: '/data/books/' },
  'a name that only begins alike is another': { maps: BOOKS, value: '/books2/A', becomes: undefined },
  'a path that holds it further down is another': { maps: BOOKS, value: '/mnt/books/A', becomes: undefined },
  'a relative path is none': { maps: BOOKS, value: 'books/A', becomes: undefined },
  'a sentence about it is none': { maps: BOOKS, value: 'see /books/A', becomes: undefined },
  'the nearest rule counts, in whatever order': {
    maps: ['/books=/a', '/books/new=/b', '/books/new/deep=/c'],
    value: '/books/new/deep/x',
    becomes: '/c/x',
  },
  'a rule is applied once': { maps: ['/a=/b', '/b=/c'], value: '/a/x', becomes: '/b/x' },
  'two rules that change places': { maps: ['/a=/b', '/b=/a'], value: '/b/x', becomes: '/a/x' },
  'to a place below itself': { maps: ['/books=/books/old'], value: '/books/A', becomes: '/books/old/A' },
  'from the root': { maps: ['/=/mnt/old'], value: '/books/A', becomes: '/mnt/old/books/A' },
  'the root itself': { maps: ['/=/mnt/old'], value: '/', becomes: '/mnt/old' },
  'to the root': { maps: ['/mnt/old=/'], value: '/mnt/old/books', becomes: '/books' },
  'what becomes the root': { maps: ['/mnt/old=/'], value: '/mnt/old', becomes: '/' },
  'letters beyond ASCII, quotes and percent signs': {
    maps: ['/srv/Bücher "x"=/d/100 %/Livres d’été'],
    value: '/srv/Bücher "x"/ß/50%.epub',
    becomes: '/d/100 %/Livres d’été/ß/50%.epub',
  },
  'a zero byte makes it no path': { maps: BOOKS, value: '/books/a\0/books/b', becomes: undefined },

  'json: every string that is one, and every byte beside them as it was': {
    form: 'json',
    maps: BOOKS,
    value: '{ "path":"/books/A",\n "n": 1.50, "e":1E2, "list":["/books", "/books2", "no /books"], "path":"/books/A" }',
    becomes:
      '{ "path":"/data/books/A",\n "n": 1.50, "e":1E2, "list":["/data/books", "/books2", "no /books"], "path":"/data/books/A" }',
  },
  'json: names of members are strings, too': {
    form: 'json',
    maps: BOOKS,
    value: '{"/books/A":{"size":1}}',
    becomes: '{"/data/books/A":{"size":1}}',
  },
  'json: a path behind escapes is found, and what follows keeps its escapes': {
    form: 'json',
    maps: ['/srv/Bücher=/d'],
    value: '["\\/srv\\/B\\u00fccher\\/\\u00e4 \\"b\\"\\\\.mp3"]',
    becomes: '["/d\\/\\u00e4 \\"b\\"\\\\.mp3"]',
  },
  'json: a new path that needs escapes': {
    form: 'json',
    maps: ['/books=/d/"b"\\c'],
    value: '["/books/x"]',
    becomes: '["/d/\\"b\\"\\\\c/x"]',
  },
  'json: a rule with a quote': { form: 'json', maps: ['/b"c=/d'], value: '["/b\\"c/x"]', becomes: '["/d/x"]' },
  'json: a string alone': { form: 'json', maps: BOOKS, value: '"/books/x"', becomes: '"/data/books/x"' },
  'json: the root': {
    form: 'json',
    maps: ['/=/o'],
    value: '["/", "/a", "\\/", "a"]',
    becomes: '["/o", "/o/a", "/o", "a"]',
  },
  'json: a number that no double holds': {
    form: 'json',
    maps: BOOKS,
    value: '{"ino":12345678901234567890123,"p":"/books"}',
    becomes: '{"ino":12345678901234567890123,"p":"/data/books"}',
  },
  'json: what is no JSON stays': { form: 'json', maps: BOOKS, value: '["/books/x"', becomes: undefined },
  'json: a bare path is no JSON': { form: 'json', maps: BOOKS, value: '/books/x', becomes: undefined },
  'json: what was no text stays': { form: 'json', maps: BOOKS, value: '["/books/\ufffd"]', becomes: undefined },

  'url: as Java writes it': {
    form: 'url',
    maps: ['/books=/data/Bücher & más'],
    value: 'file:/books/Series%20A%20%231/',
    becomes: 'file:/data/B%C3%BCcher%20&%20m%C3%A1s/Series%20A%20%231/',
  },
  'url: what Java escapes': {
    form: 'url',
    maps: ['/b=/100% [x] {y} "z" #?^`|\\<>'],
    value: 'file:/b/x',
    becomes: 'file:/100%25%20%5Bx%5D%20%7By%7D%20%22z%22%20%23%3F%5E%60%7C%5C%3C%3E/x',
  },
  'url: the folder itself, with its slash': {
    form: 'url',
    maps: ['/my books=/b'],
    value: 'file:/my%20books/',
    becomes: 'file:/b/',
  },
  'url: with an empty host, and another way to encode': {
    form: 'url',
    maps: ['/my books(ü)=/b'],
    value: 'file:///my%20books%28%c3%bc%29/a%2Fb',
    becomes: 'file:///b/a%2Fb',
  },
  'url: an encoded slash parts no names': { form: 'url', maps: BOOKS, value: 'file:/books%2Fa', becomes: undefined },
  'url: a name that only begins alike': { form: 'url', maps: BOOKS, value: 'file:/books%20old/a', becomes: undefined },
  'url: of another kind': { form: 'url', maps: BOOKS, value: 'http://host/books/a', becomes: undefined },
  'url: of another host': { form: 'url', maps: BOOKS, value: 'file://host/books/a', becomes: undefined },
  'url: to the root': { form: 'url', maps: ['/o=/'], value: 'file:/o', becomes: 'file:/' },
};

function mapperOf(maps: readonly string[]): PathMapper {
  return new PathMapper(
    maps.map((map) => {
      const equals = map.indexOf('=');
      return { from: map.slice(0, equals), to: map.slice(equals + 1) };
    }),
  );
}

for (const [what, { form = 'text', maps, value, becomes }] of Object.entries(CASES)) {
  test(`paths in values: ${what}`, () => {
    assert.equal(mapperOf(maps).rewrite(form, value)?.value, becomes);
  });
}

test('paths in values: the rules that were used are told by their numbers, once for each path', () => {
  const mapper = mapperOf(['/a=/x', '/a/b=/y', '/c=/z']);
  assert.deepEqual(mapper.rewrite('json', '["/a/1","/a/b/2","/a/b","/d"]')?.rules, [0, 1, 1]);
});

test('what is left over is found in any form, and a new path below an old one is not', () => {
  const mapper = mapperOf(['/books=/books/new', '/x=/y']);
  const old = ['/books', '/books/a', '{"a":["/x/1"]}', '"file:///books/a"', 'file:/x', '["\\u002fbooks"]', ' [ "/x" ]'];
  for (const value of old) assert.equal(mapper.holds(value, { exceptTargets: false }), true, value);
  for (const value of ['/books2', 'books', '{"a":"b /x"}', 'file:/xy', '/y/1', '{"/books', '']) {
    assert.equal(mapper.holds(value, { exceptTargets: false }), false, value);
  }
  assert.equal(mapper.holds('/books/new/a', { exceptTargets: true }), false);
  assert.equal(mapper.holds('["/books/new/a"]', { exceptTargets: true }), false);
  assert.equal(mapper.holds('["/books/a"]', { exceptTargets: true }), true);
});

test('json: of any value only those strings change, and it reads as if it had been taken apart and put together', () => {
  const mapper = mapperOf(['/books=/data "q"/ü', '/books/sub=/s']);
  const path = fastCheck.constantFrom('/books', '/books/sub', '/books/sub/\u0001"\\', '/books2', '/', '');
  const text = fastCheck.tuple(path, fastCheck.string({ unit: 'binary' })).map((parts) => parts.join('/'));
  const values = fastCheck.letrec((tie) => ({
    value: fastCheck.oneof(
      { depthSize: 'small' },
      text,
      fastCheck.double({ noNaN: true, noDefaultInfinity: true }),
      fastCheck.constant(null),
      fastCheck.array(tie('value')),
      fastCheck.dictionary(text, tie('value')),
    ),
  }));
  const expected = (value: unknown): unknown => {
    if (typeof value === 'string') return mapper.rewrite('text', value.replaceAll('\0', ''))?.value ?? value;
    if (Array.isArray(value)) return value.map(expected);
    if (typeof value !== 'object' || value === null) return value;
    return Object.entries(value).map(([name, inner]) => [expected(name), expected(inner)]);
  };
  // As lists of pairs, since two names may become one.
  const pairs = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(pairs);
    if (typeof value !== 'object' || value === null) return value;
    return Object.entries(value).map(([name, inner]) => [name, pairs(inner)]);
  };
  fastCheck.assert(
    fastCheck.property(values.value, fastCheck.constantFrom(undefined, 1), (value, spaces) => {
      const clean = JSON.stringify(value, undefined, spaces).replaceAll('\\u0000', '').replaceAll('\ufffd', '');
      const parsed: unknown = JSON.parse(clean);
      const rewritten = mapper.rewrite('json', clean)?.value ?? clean;
      assert.deepEqual(pairs(JSON.parse(rewritten)), expected(parsed));
    }),
    { numRuns: 500 },
  );
});
