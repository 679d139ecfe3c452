/**
 * Made the golden repository of format version 1: `node dist/test/support/make-golden.js FOLDER`. It is kept for the next
 * version of the format; a repository that was released is never made anew.
 */

import {
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import Database from 'better-sqlite3';
import { addKey, backup, initRepository } from '../../engine/index.ts';
import { describeRepository, GOLDEN_PASSWORD } from './golden.ts';
import { Random } from './random.ts';

const CHEAP = { memoryKiB: 64, iterations: 1, parallelism: 1 };

function makeSource(source: string): void {
  const random = new Random(1);
  mkdirSync(join(source, 'folder', 'inner'), { recursive: true });
  mkdirSync(join(source, 'empty folder'));
  writeFileSync(join(source, 'empty'), '');
  writeFileSync(join(source, 'text'), 'a text that compresses well; '.repeat(3000));
  writeFileSync(join(source, 'folder', 'small'), 'small');
  writeFileSync(join(source, 'folder', 'chunks'), random.bytes(90_000));
  for (let number = 0; number < 700; number++) writeFileSync(join(source, 'folder', 'inner', `entry ${number}`), '');
  writeFileSync(Buffer.concat([Buffer.from(`${source}/bytes `), Buffer.from([0xff, 0xfe])]), 'no UTF-8');
  linkSync(join(source, 'folder', 'small'), join(source, 'hard link'));
  symlinkSync('folder/small', join(source, 'symbolic link'));
  const sparse = openSync(join(source, 'sparse'), 'w');
  writeSync(sparse, 'behind a hole', 300_000);
  ftruncateSync(sparse, 900_000);
  closeSync(sparse);
  utimesSync(join(source, 'empty'), -1_000_000.5, -1_000_000.5);
  const database = new Database(join(source, 'server.db'));
  database.exec('PRAGMA user_version = 26; CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT)');
  for (let id = 0; id < 50; id++) database.prepare('INSERT INTO books (title) VALUES (?)').run(`Title ${id}`);
  database.close();
}

/** Git keeps no empty folders, and nobody needs them. */
function removeEmptyFolders(folder: string): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (!statSync(path).isDirectory()) continue;
    removeEmptyFolders(path);
    if (readdirSync(path).length === 0) rmdirSync(path);
  }
}

const [folder = ''] = process.argv.slice(2);
const scratch = mkdtempSync(join(tmpdir(), 'snap-golden-'));
const source = join(scratch, 'source');
mkdirSync(source);
makeSource(source);
const repository = await initRepository({
  location: join(resolve(folder), 'repository'),
  cacheDirectory: join(scratch, 'cache'),
  credential: { type: 'password', password: Buffer.from(GOLDEN_PASSWORD) },
  passwordCost: CHEAP,
});
await addKey(repository, {
  credential: { type: 'password', password: Buffer.from('a second password') },
  label: 'second',
  cost: CHEAP,
});
await backup(repository, { paths: [Buffer.from(source)], tags: ['first'], host: 'golden', label: 'golden' });
writeFileSync(join(source, 'folder', 'chunks'), new Random(2).bytes(20_000));
rmSync(join(source, 'text'));
await backup(repository, { paths: [Buffer.from(source)], tags: ['second'], host: 'golden', excludes: ['inner'] });
const expected = { source: source, content: await describeRepository(repository) };
writeFileSync(join(folder, 'expected.json'), `${JSON.stringify(expected, null, 1)}\n`);
await repository.close();
rmSync(scratch, { recursive: true });
removeEmptyFolders(join(folder, 'repository'));
process.exit(0);
