import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sideFileBase } from '../../engine/databases/sqlite-names.ts';

test('a side file is known by its name, whatever else the name holds', () => {
  const cases: readonly (readonly [string, string | undefined])[] = [
    ['library.db-wal', 'library.db'],
    ['library.db-shm', 'library.db'],
    ['library.db-journal', 'library.db'],
    ['a-journal', 'a'],
    ['a-wal', 'a'],
    ['-wal', undefined],
    ['-journal', undefined],
    ['a-b-wal', 'a-b'],
    ['library.db-mj0', 'library.db'],
    ['library.db-mj123456789', 'library.db'],
    ['library.db-mjABCDEF012', 'library.db'],
    ['library.db-mj1234567890', undefined],
    ['a-mj1', 'a'],
    ['-mj1', undefined],
    ['library.db', undefined],
    ['library.db-', undefined],
    ['library.db-wal-', undefined],
    ['a-long-name-that-has-hyphens.db', undefined],
    ['', undefined],
  ];
  for (const [name, base] of cases) assert.equal(sideFileBase(Buffer.from(name))?.toString(), base, name);
});
