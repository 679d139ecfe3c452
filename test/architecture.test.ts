import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const TOP = fileURLToPath(new URL('../..', import.meta.url));

interface Import {
  readonly from: string;
  readonly to: string;
}

function sources(folder: string): string[] {
  if (!existsSync(join(TOP, folder))) return [];
  return readdirSync(join(TOP, folder), { recursive: true })
    .map((path) => join(folder, String(path)))
    .filter((path) => /\.tsx?$/.test(path) && !path.startsWith('engine/codec/assembly'))
    .sort();
}

function text(path: string): string {
  return readFileSync(join(TOP, path), 'utf8');
}

/** Every import of the given folders, types included; packages keep their names, files become paths from the top. */
function importsOf(folders: readonly string[]): Import[] {
  return folders.flatMap(sources).flatMap((from) =>
    [...text(from).matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, to = '']) => ({
      from,
      to: to.startsWith('.') ? normalize(join(dirname(from), to)) : to,
    })),
  );
}

const LEAVES = ['codec', 'format', 'storage', 'filesystem', 'databases', 'profiles'];
const isOurs = ({ to }: Import): boolean => /^(?:engine|cli|server|bench|test)\//.test(to);

/** The floor of a file of the engine: `base`, a leaf, `repository`, `operations`, or `index`. */
function floorOf(path: string): string {
  const [, floor = '', rest] = path.split('/');
  return rest === undefined ? 'index' : floor;
}

function mayImport(from: string, to: string): boolean {
  const [a, b] = [floorOf(from), floorOf(to)];
  if (a === b) return true;
  if (b === 'base') return true;
  if (a === 'index') return true;
  if (a === 'operations') return b === 'repository' || LEAVES.includes(b);
  return a === 'repository' && LEAVES.includes(b);
}

test('files of the engine import only downward or inside their own folder', () => {
  const wrong = importsOf(['engine'])
    .filter(isOurs)
    .filter(({ from, to }) => !to.startsWith('engine/') || !mayImport(from, to));
  assert.deepEqual(wrong, []);
});

test('base imports nothing of ours', () => {
  assert.deepEqual(
    importsOf(['engine/base']).filter((edge) => isOurs(edge) && floorOf(edge.to) !== 'base'),
    [],
  );
});

test('operations never import each other', () => {
  const verb = (path: string): string => path.split('/')[2]?.replace(/\.ts$/, '') ?? '';
  const wrong = importsOf(['engine/operations'])
    .filter(({ to }) => to.startsWith('engine/operations/'))
    .filter(({ from, to }) => verb(from) !== verb(to));
  assert.deepEqual(wrong, []);
});

test('the doors know nothing of the engine but its index', () => {
  const wrong = importsOf(['cli', 'server'])
    .filter(isOurs)
    .filter(({ from, to }) => to !== 'engine/index.ts' && to.split('/')[0] !== from.split('/')[0])
    .filter(({ from, to }) => to !== 'server/index.ts' || !SERVING.test(from));
  assert.deepEqual(wrong, []);
});

/** What starts a server: the verb, and the demonstration. */
const SERVING = /^cli\/(?:commands\/serve\.ts|demo\/)/;

test('the server is loaded by nobody who does not serve', () => {
  const source = text('cli/commands/serve.ts');
  const plain = [...source.matchAll(/^import (?!type)[^;]*from '([^']+)'/gm)].map(([, to = '']) => to);
  assert.deepEqual(
    plain.filter((to) => to.includes('server/')),
    [],
  );
});

test('no import goes round in a circle, types included', () => {
  const edges = new Map<string, string[]>();
  for (const { from, to } of importsOf(['engine', 'cli', 'server', 'bench']).filter(isOurs)) {
    edges.set(from, [...(edges.get(from) ?? []), to]);
  }
  const done = new Set<string>();
  const circles: string[] = [];
  const walk = (path: string, way: readonly string[]): void => {
    if (way.includes(path)) circles.push([...way.slice(way.indexOf(path)), path].join(' -> '));
    if (done.has(path) || way.includes(path)) return;
    for (const next of edges.get(path) ?? []) walk(next, [...way, path]);
    done.add(path);
  };
  for (const path of edges.keys()) walk(path, []);
  assert.deepEqual(circles, []);
});

test('invariant 5: codec and format are pure: no file, no clock, no randomness of their own', () => {
  const wrong = importsOf(['engine/codec', 'engine/format']).filter(
    ({ from, to }) =>
      /^node:(?!crypto|zlib|worker_threads|url|buffer)/.test(to) && !PURE_EXCEPTIONS.has(`${from} ${to}`),
  );
  assert.deepEqual(wrong, []);
  for (const path of [...sources('engine/codec'), ...sources('engine/format')]) {
    assert.doesNotMatch(text(path), /Date\.now|performance\.now|Math\.random|randomBytes|randomFill|randomUUID/, path);
  }
});

/** What is loaded once, when a module is made ready. */
const PURE_EXCEPTIONS = new Set([
  'engine/codec/chunker.ts node:fs',
  'engine/codec/gcm.ts node:module',
  'engine/codec/hash.ts node:module',
  'engine/codec/password-key.ts node:module',
]);

test('invariant 6: operations speak of blobs, trees and snapshots, not of packs and frames', () => {
  const wrong = importsOf(['engine/operations']).filter(({ to }) =>
    /^engine\/(?:repository\/(?:pack-(?!audit)|frame-)|format\/(?:pack-header|envelope))/.test(to),
  );
  assert.deepEqual(wrong, []);
});

test('invariant 7: the engine never prints, never exits, never reads its arguments or environment', () => {
  // They are processes of their own; the second tells SQLite through its environment where large sorts go.
  const apart = ['engine/databases/sqlite-child.ts', 'engine/databases/sqlite-rows-child.ts'];
  for (const path of sources('engine').filter((one) => !apart.includes(one))) {
    const wrong = /\bconsole\.|process\.(?:stdout|stderr|exit\b|exitCode|argv|env\b)/.exec(
      text(path).replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, ''),
    );
    assert.equal(wrong?.[0], undefined, path);
  }
});

test('invariant 10: bounds stand in one file', () => {
  const loose = sources('engine')
    .filter((path) => path !== 'engine/base/limits.ts' && !path.startsWith('engine/format/'))
    .flatMap((path) =>
      [...text(path).matchAll(/^(?:export )?const ([A-Z0-9_]+_(?:MAX|LIMIT))\b[^=]*= *[\d(]/gm)].map(
        ([, name]) => `${path} ${name}`,
      ),
    )
    .filter((found) => !BOUNDS_OF_THEIR_OWN.has(found));
  assert.deepEqual(loose, []);
});

/** Shares, numbers of a format, and thresholds of a choice: nothing grows up to them. */
const BOUNDS_OF_THEIR_OWN = new Set([
  'engine/base/zone.ts DATE_MS_MAX',
  'engine/codec/password.ts INLINE_KIB_MAX',
  'engine/databases/sqlite-names.ts SUPER_JOURNAL_BYTES_MAX',
  'engine/operations/backup/moved-directories.ts LOAD_MAX',
  'engine/operations/check/findings.ts CHECK_PATHS_MAX',
  'engine/operations/import/entry-store.ts U32_MAX',
  'engine/operations/restore/known-set.ts LOAD_MAX',
  'engine/repository/chunk-table.ts LOAD_MAX',
  'engine/repository/id-table.ts LOAD_LIMIT',
  'engine/repository/id-table.ts LOAD_MAX',
  'engine/storage/local.ts RESERVE_SHARE_MAX',
]);

test('the house: no any, no non-null assertion of ours, no default export, no TODO', () => {
  for (const path of ['engine', 'cli', 'server', 'bench'].flatMap(sources)) {
    assert.doesNotMatch(text(path), /\bexport default\b|\bTODO\b|\bFIXME\b|@ts-(?:ignore|expect-error)/, path);
  }
});

test('files stay short enough to be read at one sitting', () => {
  const long = ['engine', 'cli', 'server', 'bench']
    .flatMap(sources)
    .map((path) => ({ path, lines: text(path).split('\n').length }))
    .filter(({ lines }) => lines > 480);
  assert.deepEqual(long, []);
});
