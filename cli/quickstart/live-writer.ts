/**
 * The process behind LiveWriter. Every commit moves a page of listening time from one shelf to another, so that the sum
 * over all shelves is the same at every moment between commits, and at none within one.
 */

import Database from 'better-sqlite3';

const SHELVES = 200;
const TOTAL = 1_000_000;
const PAUSE_MS = 3;

const [path = ''] = process.argv.slice(2);
const database = new Database(path);
database.pragma('journal_mode = WAL');
database.exec('CREATE TABLE IF NOT EXISTS shelf (id INTEGER PRIMARY KEY, minutes INTEGER NOT NULL, note TEXT)');
database.exec('CREATE TABLE IF NOT EXISTS progress (id INTEGER PRIMARY KEY, at TEXT NOT NULL)');
const insert = database.prepare('INSERT OR IGNORE INTO shelf VALUES (?, ?, ?)');
for (let id = 0; id < SHELVES; id++) insert.run(id, TOTAL / SHELVES, 'x'.repeat(1000));

const move = database.prepare('UPDATE shelf SET minutes = minutes + ? WHERE id = ?');
const log = database.prepare("INSERT INTO progress (at) VALUES (datetime('now'))");
const commit = database.transaction((from: number, to: number) => {
  move.run(-1, from);
  move.run(1, to);
  log.run();
});

let commits = 0;
const timer = setInterval(() => {
  commit(commits % SHELVES, (commits * 7 + 3) % SHELVES);
  commits++;
  process.stdout.write(`${commits}\n`);
}, PAUSE_MS);

process.on('SIGTERM', () => {
  clearInterval(timer);
  database.close();
  process.exit(0);
});
