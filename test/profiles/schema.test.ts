import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import * as v from 'valibot';
import { PROFILES } from '../../engine/profiles/all.ts';
import type { Part, Profile } from '../../engine/profiles/types.ts';
import { PROFILE_SCHEMA } from '../support/profile-schema.ts';

function faultsOf(profile: unknown): string[] {
  const { issues = [] } = v.safeParse(PROFILE_SCHEMA, profile);
  return issues.map((issue) => `${(issue.path ?? []).map(({ key }) => String(key)).join('.')}: ${issue.message}`);
}

for (const profile of PROFILES) {
  test(`the profile ${profile.name} is what a profile has to be`, () => assert.deepEqual(faultsOf(profile), []));
}

test('profiles have names of their own, know those that they supersede, and lie in one file each', () => {
  const names = PROFILES.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const { name, supersedes = [] } of PROFILES) {
    for (const other of supersedes) assert.ok(names.includes(other), `${name} supersedes ${other}`);
  }
  const files = readdirSync(new URL('../../../engine/profiles', import.meta.url)).map((file) =>
    file.replace('.ts', ''),
  );
  const others = ['all', 'plan', 'plan-context', 'recognise', 'setting-lines', 'types', 'warnings'];
  assert.deepEqual(files.filter((file) => !others.includes(file)).sort(), [...names].sort());
});

// ---- the schema itself: each of these would lose something, or be found out by nobody

const PART: Part = {
  name: 'config',
  what: 'its database',
  places: ['config', ''],
  signs: [{ path: 'server.db', kind: 'sqlite' }],
  databases: [{ path: 'server.db', kind: 'sqlite', what: 'everything' }],
  paths: [
    { path: 'covers/own', role: 'precious', what: 'covers' },
    { path: 'cache', role: 'rebuildable', what: 'pictures', keeps: ['.marker'] },
  ],
};
const SOUND: Profile = {
  name: 'server',
  title: 'Server',
  parts: [PART],
  folders: [
    { part: 'config', database: 'server.db', table: 'Folder', column: 'path', what: 'library folder', use: 'library' },
  ],
  pathColumns: [{ part: 'config', database: 'server.db', table: 'File', column: 'path', form: 'text' }],
  checks: [],
  restoreOrder: 'files first',
  handling: { stop: 'stop it', start: 'start it' },
  advice: [],
};

function withPart(part: object): object {
  return { ...SOUND, parts: [{ ...PART, ...part }] };
}

const column = { part: 'config', database: 'server.db', table: 'T', column: 'c' };
const FAULTY: readonly (readonly [string, object, RegExp])[] = [
  ['an unknown key', { ...SOUND, exclude: [] }, /exclude/],
  ['a path that leads out', withPart({ paths: [{ path: '../x', role: 'optional', what: 'x' }] }), /relative path/],
  ['an absolute path', withPart({ paths: [{ path: '/x', role: 'optional', what: 'x' }] }), /relative path/],
  ['a role that there is not', withPart({ paths: [{ path: 'x', role: 'junk', what: 'x' }] }), /role/],
  [
    'a precious path below one that is left out',
    withPart({
      paths: [
        { path: 'cache', role: 'rebuildable', what: 'x' },
        { path: 'cache/items', role: 'precious', what: 'originals' },
      ],
    }),
    /takes cache\/items with it/,
  ],
  [
    'a pattern that fits a precious path',
    withPart({
      paths: [
        { path: '*.json', role: 'rebuildable', what: 'x' },
        { path: 'keys.json', role: 'secret', what: 'keys' },
      ],
    }),
    /takes keys\.json with it/,
  ],
  [
    'a database that is left out',
    withPart({ paths: [{ path: '*.db*', role: 'rebuildable', what: 'x' }] }),
    /takes server\.db with it/,
  ],
  ['nothing to recognise it by', withPart({ signs: [] }), /recognised/],
  ['a server with a path', withPart({ databases: [{ path: 'x.db', kind: 'mariadb', what: 'x' }] }), /path for SQLite/],
  ['a folder of a part that there is not', { ...SOUND, folders: [{ ...SOUND.folders[0], part: 'x' }] }, /no database/],
  [
    'a column of no database',
    { ...SOUND, pathColumns: [{ ...column, database: 'x.db', form: 'text' }] },
    /no database/,
  ],
  ['a lead that is no part', { ...SOUND, leads: ['data'] }, /no part data to lead/],
  [
    'backups that are left out with all that lies beside them',
    { ...SOUND, folders: [{ ...column, what: 'backups', use: 'backups', leftOut: '*' }] },
    /leftOut|names in one folder/,
  ],
  [
    'files of a server that nothing tells from others',
    { ...SOUND, folders: [{ ...column, what: 'files', use: 'server-files' }] },
    /have signs/,
  ],
];

test('the schema takes a sound profile and refuses each fault', () => {
  assert.deepEqual(faultsOf(SOUND), []);
  for (const [what, profile, expected] of FAULTY) {
    const faults = faultsOf(profile).join('\n');
    assert.match(faults, expected, what);
  }
});
