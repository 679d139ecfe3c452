/** Backups of libraries whose databases are written to meanwhile: backup, restore, and look into what came back. */

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Library } from '../support/library.ts';
import { makeShelf, readShelf, SqliteWriter } from '../support/sqlite-writer.ts';

for (const journalMode of ['wal', 'delete', 'truncate', 'persist'] as const) {
  test(`trap 25: a database in ${journalMode} mode that is written all the time is stored as of one moment`, async (t) => {
    const library = await Library.make(t);
    mkdirSync(library.source);
    const path = join(library.source, 'shelf.db');
    makeShelf(path, { journalMode, rows: 5000 });
    const writer = await SqliteWriter.start(t, path);
    await writer.order('work');
    let before = 0;
    for (let night = 1; night <= 3; night++) {
      const result = await library.backup();
      assert.equal(result.problemCount, 0, JSON.stringify(result.problems));
      assert.deepEqual(
        result.databases.map(({ check }) => check),
        ['ok'],
      );
      const { target } = await library.restore();
      assert.deepEqual(readdirSync(target), ['shelf.db'], 'side files are left out');
      const state = readShelf(join(target, 'shelf.db'));
      assert.equal(state.journalMode, journalMode === 'wal' ? 'wal' : 'delete');
      assert.equal(state.userVersion, 26);
      assert.equal(state.applicationId, 0x534e4150);
      assert.ok(state.commits > before, 'each night has more');
      before = state.commits;
    }
    const report = await writer.stop();
    assert.deepEqual(report.failures, [], 'no commit failed because of the backup');
    assert.ok(report.commits >= before);
    assert.ok(report.longestMs < 1000, `a commit took ${report.longestMs} ms`);
    assert.ok(!existsSync(`${path}-wal`));
    assert.equal(readShelf(path).commits, report.commits);
  });
}
