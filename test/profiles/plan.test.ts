/** Plans, decided without a disk. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isWithin } from '../../engine/base/paths.ts';
import { planProfile, preciousPaths } from '../../engine/profiles/plan.ts';
import type { PlanContext } from '../../engine/profiles/plan-context.ts';
import { type FolderView, type Recognised, recognise, withoutContained } from '../../engine/profiles/recognise.ts';
import { settingIn } from '../../engine/profiles/setting-lines.ts';
import type { Profile, Sign } from '../../engine/profiles/types.ts';

const SERVER: Profile = {
  name: 'server',
  title: 'Server',
  parts: [
    {
      name: 'config',
      what: 'its database',
      places: ['config'],
      signs: [{ path: 'a.db', kind: 'sqlite' }],
      databases: [
        { path: 'a.db', kind: 'sqlite', what: 'everything' },
        { path: 'index.db', kind: 'sqlite', what: 'the index', rebuildable: true },
      ],
      paths: [{ path: 'cache', role: 'rebuildable', what: 'pictures' }],
    },
    {
      name: 'media',
      what: 'its files',
      places: ['media'],
      signs: [{ path: 'files', kind: 'folder' }],
      databases: [{ path: undefined, kind: 'mariadb', name: 'media', what: 'albums' }],
      paths: [
        { path: 'backups', role: 'backups', what: "the server's own backups" },
        { path: 'mysql', role: 'server-files', what: 'the files of a running MariaDB' },
      ],
    },
  ],
  folders: [{ part: 'config', database: 'a.db', table: 'F', column: 'p', what: 'library folder', use: 'library' }],
  pathColumns: [],
  checks: [],
  restoreOrder: 'files first',
  handling: { stop: 'stop it', start: 'start it' },
  advice: [],
};

function viewOf(entries: { readonly [path: string]: Sign['kind'] }): FolderView {
  return { kindOf: (path) => entries[path.toString()] };
}

const VIEW = viewOf({
  '/s/config/a.db': 'sqlite',
  '/s/config/index.db': 'sqlite',
  '/s/config/cache': 'folder',
  '/s/media/files': 'folder',
  '/s/media/backups': 'folder',
  '/s/media/mysql': 'folder',
});

function recognised(): Recognised {
  const found = recognise(SERVER, Buffer.from('/s'), VIEW);
  assert.ok(found !== undefined);
  return found;
}

function planOf(given: Partial<PlanContext> & { readonly sources?: readonly Buffer[] }): string[] {
  const { sources = [Buffer.from('/s')], ...rest } = given;
  const covers = (path: Buffer): boolean => sources.some((source) => isWithin(path, source));
  const context = {
    folders: [],
    sources,
    covers,
    view: VIEW,
    precious: preciousPaths(recognised(), rest.folders ?? [], VIEW),
    libraries: [],
    dumps: [],
    captures: covers,
    ...rest,
  };
  return planProfile(recognised(), context).exclusions.map(({ folder, pattern }) => `${folder}/${pattern}`);
}

const CACHE = '/s/config/cache/';
const BACKUPS = '/s/media/backups/';
const FILES = '/s/media/mysql/';
const DUMPED = { kind: 'mariadb', name: 'media' } as const;

test('own backups stay out only if every database of the server is in the snapshot; its files only with a dump', () => {
  const cases: readonly (readonly [string, Partial<PlanContext>, readonly string[]])[] = [
    ['no dump', {}, [CACHE]],
    ['a dump of that database', { dumps: [DUMPED] }, [CACHE, BACKUPS, FILES]],
    ['a dump of all of a server', { dumps: [{ kind: 'mariadb', name: undefined }] }, [CACHE, BACKUPS, FILES]],
    ['a dump of another one', { dumps: [{ kind: 'mariadb', name: 'wiki' }] }, [CACHE]],
    ['a dump of another kind', { dumps: [{ kind: 'postgresql', name: 'media' }] }, [CACHE]],
    ['SQLite as plain files', { dumps: [DUMPED], captures: () => false }, [CACHE, FILES]],
    ['SQLite elsewhere', { dumps: [DUMPED], sources: [Buffer.from('/s/media')] }, [CACHE, FILES]],
    [
      'only the index elsewhere',
      { dumps: [DUMPED], covers: (path) => !path.includes('index') },
      [CACHE, BACKUPS, FILES],
    ],
  ];
  for (const [what, context, expected] of cases) assert.deepEqual(planOf(context), expected, what);
});

test('what somebody put where something else is left out stays in', () => {
  const [rule] = SERVER.folders;
  assert.ok(rule !== undefined);
  const libraryAt = (path: string): string[] =>
    planOf({ dumps: [DUMPED], folders: [{ rule, said: path, path: Buffer.from(path) }] });
  assert.deepEqual(libraryAt('/s/config/cache/books'), [BACKUPS, FILES]);
  assert.deepEqual(libraryAt('/s/config/cache'), [BACKUPS, FILES]);
  assert.deepEqual(libraryAt('/s/media/backups/a/b'), [CACHE, FILES]);
  assert.deepEqual(libraryAt('/s/config/cached'), [CACHE, BACKUPS, FILES]);
});

test('a server is recognised by any part that leads, the likeliest first, and by no other', () => {
  const twoLeads: Profile = { ...SERVER, leads: ['media', 'config'] };
  const leads = (profile: Profile, view: FolderView): string[] =>
    (recognise(profile, Buffer.from('/s'), view)?.parts ?? []).map(({ part }) => part.name);
  const onlyMedia = viewOf({ '/s/media/files': 'folder' });
  assert.deepEqual(leads(twoLeads, VIEW), ['media', 'config']);
  assert.deepEqual(leads(twoLeads, onlyMedia), ['media']);
  assert.deepEqual(leads(twoLeads, viewOf({ '/s/config/a.db': 'sqlite' })), ['config']);
  assert.deepEqual(leads(SERVER, onlyMedia), []);
});

test('a file with a setting is a sign only where that is set, and a view that reads none sees none', () => {
  const [config] = SERVER.parts;
  assert.ok(config !== undefined);
  const signs = [{ path: '.env', kind: 'file', setting: 'PLACE' }] as const;
  const profile: Profile = { ...SERVER, parts: [{ ...config, signs }] };
  const file = viewOf({ '/s/config/.env': 'file' });
  const isFound = (view: FolderView): boolean => recognise(profile, Buffer.from('/s'), view) !== undefined;
  assert.equal(isFound(file), false);
  assert.equal(isFound({ ...file, settingOf: (_, name) => (name === 'PLACE' ? '/x' : undefined) }), true);
  assert.equal(isFound({ ...file, settingOf: () => undefined }), false);
});

test('of two servers the one that the other contains is none of its own', () => {
  const whole = recognised();
  const [first] = whole.parts;
  assert.ok(first !== undefined);
  const part = { ...whole, parts: [first] };
  const elsewhere = { ...whole, parts: [{ ...first, folder: Buffer.from('/t') }] };
  const everywhere = { ...whole, parts: [] };
  assert.deepEqual(withoutContained([part, whole, elsewhere, whole, everywhere, everywhere]), [
    whole,
    elsewhere,
    everywhere,
    everywhere,
  ]);
});

test('settings: the last line counts; quotes, comments and spaces; nothing that needs a shell', () => {
  const cases: readonly (readonly [string, string | undefined])[] = [
    ['A=/x', '/x'],
    ['A=/x\nA=/y', '/y'],
    ['export A = "/x y" # where', '/x y'],
    ["A='/x$y'", '/x$y'],
    ['A=/x # where', '/x'],
    ['A=/x#y', '/x#y'],
    ['A=# nothing', undefined],
    ['  A=/x\r\n', '/x'],
    ['A="/x', '"/x'],
    ['A="$B"', undefined],
    ['A=$B/x', undefined],
    ['A=/a\\ b', undefined],
    ['A=', undefined],
    ['# A=/x', undefined],
    ['B=/x', undefined],
    ['AA=/x', undefined],
    ['A=/x\nA=', undefined],
    ['', undefined],
  ];
  for (const [text, expected] of cases) assert.equal(settingIn(text, 'A'), expected, JSON.stringify(text));
});
