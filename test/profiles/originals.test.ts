/** What no profile may leave out: whatever nobody can make again, wherever it lies. */

import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { made, save } from '../support/saved-servers.ts';
import { makeAudiobookshelf, makeFiles, makePaperless } from '../support/servers.ts';

test("a source of somebody's own is no part of a server that lies elsewhere, whatever its folders are called", async (t) => {
  const library = await made(t);
  const server = join(library.source, 'abs');
  makeAudiobookshelf(server, { library: library.source, metadata: '/metadata' });
  rmSync(join(server, 'metadata'), { recursive: true });
  const home = join(library.folder, 'home');
  const own = ['backups/letters.zip', 'logs/diary.txt', 'tmp/draft', 'cache/images/only.png', 'items/a'];
  makeFiles(home, own);
  const { files, applied } = await save(library, 'audiobookshelf', [server, home]);
  for (const name of own) assert.ok(files.includes(`../home/${name}`), name);
  assert.match(applied.warnings.join('\n'), /covers, details, caches was not found beside the rest/);
});

test('the database of another program does not make its folder one of Paperless-ngx', async (t) => {
  const library = await made(t);
  const server = join(library.source, 'paperless');
  makePaperless(server, { sqlite: true });
  const other = join(library.folder, 'other');
  mkdirSync(other);
  renameSync(join(server, 'data', 'db.sqlite3'), join(other, 'db.sqlite3'));
  rmSync(join(server, 'data'), { recursive: true });
  makeFiles(other, ['log/captain.txt']);
  const { files } = await save(library, 'paperless', [server, other]);
  assert.ok(files.includes('../other/log/captain.txt'));
});
