/** Paths rewritten in images of real databases: only they change, all of them or none, and the image stays what it was otherwise. */

import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import Database from 'better-sqlite3';
import type { PathForm, PathRule } from '../../engine/databases/path-values.ts';
import { type PathsReport, type PathsStep, rewritePaths } from '../../engine/databases/sqlite-paths.ts';
import { testFolder } from '../support/build-repository.ts';
import { makeDatabase } from '../support/servers.ts';
import { makeShelf, readShelf } from '../support/sqlite-writer.ts';
import { failure } from '../support/swap-place.ts';

const RULES: readonly PathRule[] = [{ from: '/books', to: '/data/books' }];

class Place {
  readonly folder: string;
  readonly scratch: string;
  readonly image: string;

  constructor(t: TestContext, name = 'image.db') {
    const top = testFolder(t);
    this.folder = join(top, 'beside');
    this.scratch = join(top, 'scratch');
    this.image = join(this.folder, name);
    for (const folder of [this.folder, this.scratch]) mkdirSync(folder);
  }

  make(script: string, options: { readonly wal?: boolean } = {}): void {
    makeDatabase(this.image, script, options);
  }

  /** `columns`: TABLE.COLUMN, with `:json` or `:url` behind it. */
  async rewrite(
    columns: readonly string[],
    rules = RULES,
    onStep?: (step: PathsStep, pid: number) => void,
  ): Promise<PathsReport> {
    const request = {
      image: Buffer.from(this.image),
      columns: columns.map((text) => {
        const [, table = '', column = '', form = 'text'] = /^(.*?)\.(.*?)(?::(.*))?$/.exec(text) ?? [];
        return { table, column, form: form as PathForm };
      }),
      rules,
      scratchDirectory: this.scratch,
    };
    const report = await rewritePaths(request, { onStep });
    assert.deepEqual(readdirSync(this.folder), [this.image.slice(this.folder.length + 1)], 'nothing lies beside it');
    assert.deepEqual(readdirSync(this.scratch), []);
    return report;
  }

  read(sql: string): unknown[] {
    const database = new Database(this.image, { fileMustExist: true });
    try {
      assert.equal(database.pragma('integrity_check', { simple: true }), 'ok');
      return database
        .prepare(sql)
        .raw()
        .all()
        .map((row) => (Array.isArray(row) && row.length === 1 ? row[0] : row));
    } finally {
      database.close();
    }
  }

  schema(): unknown[] {
    return this.read('SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name');
  }
}

test('columns are rewritten by their forms, counted, and what is left over elsewhere is named', async (t) => {
  const place = new Place(t);
  place.make(`
    CREATE TABLE folders (path TEXT COLLATE NOCASE);
    INSERT INTO folders VALUES ('/books'), ('/Books/x'), ('/books2/x'), (NULL), (x'2f626f6f6b73');
    CREATE TABLE items (id INTEGER PRIMARY KEY, files JSON, url varchar, note TEXT);
    INSERT INTO items VALUES
      (1, '[{"path":"/books/a.mp3","ino":123456789012345678901}]', 'file:/books/a%20b/', 'see /books'),
      (2, '[]', 'file:/other/', '/books/note'),
      (3, '/books/no json', 'file:/books%32/', '{"at":"/books/deep"}'),
      (4, '["/books/1","/books/2"', NULL, 'file:/books/3');
  `);
  const report = await place.rewrite([
    'folders.path',
    'items.files:json',
    'items.url:url',
    'items.gone',
    'nothing.path',
  ]);
  assert.deepEqual(report.rewritten, [
    { table: 'folders', column: 'path', values: 1 },
    { table: 'items', column: 'files', values: 1 },
    { table: 'items', column: 'url', values: 1 },
  ]);
  assert.deepEqual(report.missing, [
    { table: 'items', column: 'gone' },
    { table: 'nothing', column: 'path' },
  ]);
  assert.deepEqual(report.uses, [3]);
  assert.deepEqual(report.leftovers, [
    { table: 'items', column: 'files', values: 2 },
    { table: 'items', column: 'note', values: 3 },
  ]);
  const folders = ['/data/books', '/Books/x', '/books2/x', null, Buffer.from('/books')];
  assert.deepEqual(place.read('SELECT path FROM folders ORDER BY rowid'), folders);
  assert.deepEqual(place.read('SELECT files, url FROM items WHERE id = 1'), [
    ['[{"path":"/data/books/a.mp3","ino":123456789012345678901}]', 'file:/data/books/a%20b/'],
  ]);
});

for (const journalMode of ['wal', 'delete'] as const) {
  test(`an image in ${journalMode} mode keeps its mode, versions and all other rows`, async (t) => {
    const place = new Place(t);
    makeShelf(place.image, { journalMode, userVersion: 26, applicationId: 0x41425300, pageBytes: 1024 });
    const database = new Database(place.image);
    database.exec("CREATE TABLE folders (path TEXT); INSERT INTO folders VALUES ('/books/a'), ('/other')");
    database.close();
    const before = readShelf(place.image);
    await place.rewrite(['folders.path']);
    assert.deepEqual(place.read('SELECT path FROM folders'), ['/data/books/a', '/other']);
    assert.deepEqual(readShelf(place.image), before);
    assert.equal(before.journalMode, journalMode);
  });

  test(`an image in ${journalMode} mode in which nothing fits stays byte for byte what it was`, async (t) => {
    const place = new Place(t);
    place.make("CREATE TABLE folders (path TEXT); INSERT INTO folders VALUES ('/books2')", {
      wal: journalMode === 'wal',
    });
    const before = readFileSync(place.image);
    const report = await place.rewrite(['folders.path']);
    assert.deepEqual(report.uses, [0]);
    assert.deepEqual(readFileSync(place.image), before);
  });
}

test('triggers do not fire, and are there afterwards as they were', async (t) => {
  const place = new Place(t);
  place.make(`
    CREATE TABLE folders (path TEXT, changed INTEGER DEFAULT 0);
    CREATE TABLE log (what TEXT);
    CREATE VIEW shown AS SELECT path, title_sort(path) AS sort FROM folders;
    INSERT INTO folders (path) VALUES ('/books/a');
    CREATE TRIGGER stamp AFTER UPDATE ON folders BEGIN UPDATE folders SET changed = changed + 1; INSERT INTO log VALUES ('stamp'); END;
    CREATE TRIGGER IF NOT EXISTS "odd ""name" BEFORE UPDATE OF path ON FOLDERS WHEN OLD.path <> NEW.path BEGIN SELECT title_sort(NEW.path); END;
    CREATE TRIGGER through INSTEAD OF UPDATE ON shown BEGIN INSERT INTO log VALUES ('through'); END;
    CREATE TRIGGER other AFTER UPDATE ON log BEGIN DELETE FROM folders; END;
  `);
  const schema = place.schema();
  await place.rewrite(['folders.path']);
  assert.deepEqual(place.read('SELECT path, changed FROM folders'), [['/data/books/a', 0]]);
  assert.deepEqual(place.read('SELECT * FROM log'), []);
  assert.deepEqual(place.schema(), schema);
});

test('keys, indexes, generated columns, foreign keys and tables without rowid go along', async (t) => {
  const place = new Place(t);
  place.make(`
    CREATE TABLE sidecar (url TEXT NOT NULL PRIMARY KEY, parent TEXT) WITHOUT ROWID;
    INSERT INTO sidecar VALUES ('/books/a/x.nfo', '/books/a'), ('/books/b/x.nfo', '/books/b');
    CREATE TABLE item (path TEXT UNIQUE, upper TEXT GENERATED ALWAYS AS (upper(path)) STORED, short TEXT AS (substr(path, 1, 6)), CHECK (length(path) < 1000));
    CREATE INDEX item_upper ON item (upper);
    CREATE INDEX item_lower ON item (lower(path)) WHERE path LIKE '/b%';
    INSERT INTO item (path) VALUES ('/books/1'), ('/books/2'), ('/other');
    CREATE TABLE child (path TEXT REFERENCES item (path) ON UPDATE CASCADE);
    INSERT INTO child VALUES ('/books/1');
    CREATE TABLE strictly (path TEXT, number INTEGER) STRICT;
    INSERT INTO strictly VALUES ('/books', 1);
  `);
  const columns = ['sidecar.url', 'sidecar.parent', 'item.path', 'item.upper', 'child.path', 'strictly.path'];
  const report = await place.rewrite(columns);
  assert.deepEqual(report.missing, [{ table: 'item', column: 'upper' }], 'what SQLite computes is not asked for');
  assert.deepEqual(report.leftovers, []);
  assert.deepEqual(place.read('SELECT url, parent FROM sidecar ORDER BY url'), [
    ['/data/books/a/x.nfo', '/data/books/a'],
    ['/data/books/b/x.nfo', '/data/books/b'],
  ]);
  assert.deepEqual(place.read("SELECT path, short FROM item INDEXED BY item_upper WHERE upper = '/DATA/BOOKS/2'"), [
    ['/data/books/2', '/data/'],
  ]);
  assert.deepEqual(place.read('SELECT count(*) FROM child JOIN item USING (path)'), [1]);
  assert.deepEqual(place.read('PRAGMA foreign_key_check'), []);
});

test('rows that take each other’s places, where each path is there once', async (t) => {
  const place = new Place(t);
  place.make(`
    CREATE TABLE item (path TEXT PRIMARY KEY, id INTEGER) WITHOUT ROWID;
    INSERT INTO item VALUES ('/a/x', 1), ('/b/x', 2), ('/books/x', 3), ('/books/new/x', 4);
    CREATE TABLE media (files JSON UNIQUE);
    INSERT INTO media VALUES ('["/a/x"]'), ('["/b/x"]');
  `);
  const rules = [
    { from: '/a', to: '/b' },
    { from: '/b', to: '/a' },
    { from: '/books', to: '/books/new' },
  ];
  const report = await place.rewrite(['item.path', 'media.files:json'], rules);
  assert.deepEqual(report.leftovers, []);
  assert.deepEqual(place.read('SELECT path, id FROM item ORDER BY id'), [
    ['/b/x', 1],
    ['/a/x', 2],
    ['/books/new/x', 3],
    ['/books/new/new/x', 4],
  ]);
  assert.deepEqual(place.read('SELECT files FROM media ORDER BY rowid'), ['["/b/x"]', '["/a/x"]']);
});

test('two rows that would have the same path are refused, by table and column', async (t) => {
  const place = new Place(t);
  place.make("CREATE TABLE item (path TEXT UNIQUE); INSERT INTO item VALUES ('/books/x'), ('/data/books/x')");
  const message = await failure(place.rewrite(['item.path']));
  assert.match(message, /two rows of item\.path would have the same path/);
});

test('full-text tables over a column that changed are built anew, and those with a content of their own are left over', async (t) => {
  const place = new Place(t);
  place.make(`
    CREATE TABLE item (id INTEGER PRIMARY KEY, path TEXT, title TEXT);
    INSERT INTO item VALUES (1, '/books/melville/moby', 'whale');
    CREATE VIRTUAL TABLE item_fts USING fts5(path, title, content='item', content_rowid='id');
    INSERT INTO item_fts (item_fts) VALUES ('rebuild');
    CREATE VIRTUAL TABLE title_fts USING fts5(title, content="item", content_rowid=id);
    CREATE VIRTUAL TABLE own_fts USING fts5(path);
    INSERT INTO own_fts VALUES ('/books/own');
    CREATE TRIGGER told AFTER UPDATE ON item BEGIN INSERT INTO item_fts (item_fts, rowid, path, title) VALUES ('delete', OLD.id, OLD.path, OLD.title); INSERT INTO item_fts (rowid, path, title) VALUES (NEW.id, NEW.path, NEW.title); END;
  `);
  const report = await place.rewrite(['item.path']);
  assert.deepEqual(report.leftovers, [{ table: 'own_fts_content', column: 'c0', values: 1 }]);
  assert.deepEqual(place.read("SELECT rowid FROM item_fts WHERE item_fts MATCH 'data AND whale'"), [1]);
  const database = new Database(place.image);
  database.exec("INSERT INTO item_fts (item_fts, rank) VALUES ('integrity-check', 1)");
  database.close();
});

test('a name that is not UTF-8 keeps its bytes below a path that moves', async (t) => {
  const place = new Place(t);
  place.make(`
    CREATE TABLE item (path TEXT, files JSON);
    INSERT INTO item VALUES (CAST(x'2f626f6f6b732fff61' AS TEXT), CAST(x'5b222f626f6f6b732fff225d' AS TEXT));
  `);
  const report = await place.rewrite(['item.path', 'item.files:json']);
  assert.deepEqual(place.read('SELECT hex(path) FROM item'), [
    Buffer.from('/data/books/\u{ff}a', 'latin1').toString('hex').toUpperCase(),
  ]);
  assert.deepEqual(report.leftovers, [{ table: 'item', column: 'files', values: 1 }], 'that is no JSON');
});

for (const encoding of ['UTF-8', 'UTF-16le']) {
  test(`the replacement character of a broken tag or name keeps no path from being rewritten (${encoding})`, async (t) => {
    const place = new Place(t);
    const before = ['[{"path":"/books/a\ufffd","tag":"\ufffd"}]', '{"path":"/books/b","tag":"\ufffd\ufffd"}'];
    place.make(`
      PRAGMA encoding = '${encoding}';
      CREATE TABLE item (files JSON UNIQUE, url TEXT);
      INSERT INTO item VALUES ('${before[0]}', 'file:/books/\ufffd'), ('${before[1]}', NULL);
    `);
    const report = await place.rewrite(['item.files:json', 'item.url:url']);
    assert.deepEqual(report.leftovers, []);
    const after = before.map((text) => text.replace('/books', '/data/books'));
    assert.deepEqual(place.read('SELECT files FROM item ORDER BY rowid'), after);
    assert.deepEqual(place.read('SELECT url FROM item WHERE url IS NOT NULL'), ['file:/data/books/\ufffd']);
  });
}

test('a database in UTF-16, and names that want quotes', async (t) => {
  const place = new Place(t, 'odd "name" \u00fc .db');
  place.make(`
    PRAGMA encoding = 'UTF-16le';
    CREATE TABLE "the ""items""" ("path of it" TEXT, select_ TEXT);
    INSERT INTO "the ""items""" VALUES ('/books/Bücher/\u{1f4da}', '/books/\u{1f4da}');
  `);
  const rules = [{ from: '/books/Bücher/\u{1f4da}', to: '/o’b' }];
  const report = await place.rewrite(['the "items".path of it'], rules);
  assert.deepEqual(report.leftovers, []);
  assert.deepEqual(place.read('SELECT * FROM "the ""items"""'), [['/o’b', '/books/\u{1f4da}']]);
});

test('killed after any step, and what it left lies beside the image that is made anew: that comes out right', async (t) => {
  for (const wal of [true, false]) {
    const place = new Place(t);
    const saved = join(place.folder, '..', 'saved.db');
    makeDatabase(saved, "CREATE TABLE item (path TEXT); INSERT INTO item VALUES ('/books/x')", { wal });
    const steps: PathsStep[] = [];
    copyFileSync(saved, place.image);
    await place.rewrite(['item.path'], RULES, (step) => {
      steps.push(step);
    });
    const all = ['started', 'counted', 'begun', 'changed', 'committed', 'checkpointed', 'scanned', 'closed'];
    assert.deepEqual(steps, all);
    for (const step of steps) {
      copyFileSync(saved, place.image);
      const kill = (now: PathsStep, pid: number): void => {
        if (now === step) process.kill(pid, 'SIGKILL');
      };
      assert.match(await failure(place.rewrite(['item.path'], RULES, kill)), /ended \(SIGKILL\); try again/);
      assert.deepEqual(readdirSync(place.folder), ['image.db'], step);
    }
    copyFileSync(saved, place.image);
    copyFileSync(saved, `${place.image}-journal`);
    assert.deepEqual((await place.rewrite(['item.path'])).uses, [1]);
    assert.deepEqual(place.read('SELECT path FROM item'), ['/data/books/x']);
  }
});

test('what is damaged, no database, or beyond this SQLite is told apart', async (t) => {
  const place = new Place(t);
  place.make("CREATE TABLE item (path TEXT); INSERT INTO item VALUES ('/books/x')");
  const database = new Database(place.image);
  database.unsafeMode(true);
  database.pragma('writable_schema = 1');
  database.exec("INSERT INTO sqlite_master VALUES ('table', 'strange', 'strange', 2, 'CREATE TABEL strange (x)')");
  database.close();
  assert.match(await failure(place.rewrite(['item.path'])), /this SQLite cannot read its schema/);
  const other = new Place(t);
  copyFileSync(process.execPath, other.image);
  assert.match(await failure(other.rewrite(['item.path'])), /it is damaged/);
});
