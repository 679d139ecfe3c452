import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Glob } from '../../engine/filesystem/glob.ts';

const CASES: readonly (readonly [pattern: string, fits: readonly string[], fitsNot: readonly string[]])[] = [
  ['a', ['/a', '/x/a'], ['/ab', '/a/b', '/A']],
  ['*.txt', ['/a.txt', '/x/.txt', '/x/a.b.txt'], ['/a.txt/b', '/atxt', '/a.txtx']],
  ['?', ['/a', '/x/b', '/x/é'], ['/ab', '/']],
  ['[a-c]x', ['/ax', '/cx'], ['/dx', '/x']],
  ['[!a-c]x', ['/dx'], ['/ax']],
  ['[]]', ['/]'], ['/a']],
  ['{cover,folder}.{jpg,png}', ['/cover.jpg', '/x/folder.png'], ['/cover', '/cover.gif']],
  ['a\\*', ['/a*'], ['/ab']],
  ['a.b', ['/a.b'], ['/axb']],
  ['(a|b)+$^', ['/(a|b)+$^'], ['/a']],
  ['/srv/*', ['/srv/a'], ['/srv', '/srv/a/b', '/x/srv/a']],
  ['/srv/**', ['/srv/a', '/srv/a/b'], ['/srvx']],
  ['/srv/**/a', ['/srv/a', '/srv/x/a', '/srv/x/y/a'], ['/srv/xa']],
  ['Author/*', ['/Author/a', '/srv/Author/a'], ['/xAuthor/a', '/Author']],
  ['/srv/', ['/srv'], ['/srv/a']],
];

for (const [pattern, fits, fitsNot] of CASES) {
  test(`glob: ${pattern}`, () => {
    const glob = new Glob(pattern);
    const matches = (path: string): boolean =>
      glob.matches(Buffer.from(path), Buffer.from(path.slice(path.lastIndexOf('/') + 1)));
    assert.deepEqual(
      fits.filter((path) => !matches(path)),
      [],
    );
    assert.deepEqual(fitsNot.filter(matches), []);
    // Nothing that fits lies where nobody looks.
    for (const path of fits)
      assert.ok(glob.mayMatchBelow(Buffer.from(path.slice(0, Math.max(1, path.lastIndexOf('/'))))));
  });
}

test('glob: capital letters, bytes that are no text, and patterns that make no sense', () => {
  const name = Buffer.from('ABC');
  assert.ok(new Glob('a?c', { caseInsensitive: true }).matches(name, name));
  const odd = Buffer.from([0x66, 0xff, 0x0a]);
  assert.ok(new Glob('f??').matches(odd, odd));
  assert.ok(!new Glob('f?').matches(odd, odd));
  for (const pattern of ['', '[a', '{a,b', '[z-a]'])
    assert.throws(() => new Glob(pattern), { code: 'INVALID_ARGUMENT' });
  assert.equal(new Glob('/srv/audio*/x').mayMatchBelow(Buffer.from('/etc')), false);
  assert.equal(new Glob('/srv/audio*/x').mayMatchBelow(Buffer.from('/srv')), true);
});
