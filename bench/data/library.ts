/** Data sets that change from night to night: books whose metadata is edited, a server's database, releases of a package. */

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { type ZipEntry, zip } from '../../cli/demo/zip.ts';
import { SeededRandom, text, vocabulary } from '../random.ts';

const WORDS_SEED = 11;
const BOOKS = 1500;
export const BOOK_NIGHTS = 4;

function book(number: number, words: readonly string[], metadata: string): Buffer {
  const random = new SeededRandom(1000 + number);
  const entries: ZipEntry[] = [
    { name: 'mimetype', content: Buffer.from('application/epub+zip') },
    { name: 'OEBPS/content.opf', content: Buffer.from(metadata) },
  ];
  for (let chapter = 0; chapter < 20; chapter++) {
    entries.push({
      name: `OEBPS/c${chapter}.xhtml`,
      content: Buffer.from(text(random, words, 6 * random.between(800, 4000))),
    });
  }
  entries.push({ name: 'OEBPS/cover.jpg', content: random.bytes(random.between(40_000, 200_000)) });
  return zip(entries);
}

function bookPath(folder: string, number: number): string {
  return join(folder, `Author ${number % 100}`, `Title ${number} (${number})`, `Title ${number}.epub`);
}

/** 1,500 EPUBs, and nights in which a tenth of them get new metadata inside: FOLDER/0 to FOLDER/4. */
export function makeBooks(folder: string, scale: number): void {
  const words = vocabulary(new SeededRandom(WORDS_SEED), 20_000);
  const random = new SeededRandom(12);
  const books = Math.max(10, Math.round(BOOKS * scale));
  for (let number = 0; number < books; number++) {
    const path = bookPath(join(folder, '0'), number);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, book(number, words, `<package><title>${number}</title></package>`));
  }
  for (let night = 1; night <= BOOK_NIGHTS; night++) {
    const now = join(folder, `${night}`);
    copyTree(join(folder, `${night - 1}`), now);
    const edited = new Set<number>();
    while (edited.size < books / 10) edited.add(random.between(0, books));
    for (const number of edited) {
      const tag = text(random, words, random.between(50, 900));
      writeFileSync(
        bookPath(now, number),
        book(number, words, `<package><title>${number}</title><tag>${tag}</tag></package>`),
      );
    }
  }
}

export const DATABASE_NIGHTS = 10;

/** A library server's database of 51 MB, and ten nights of its work: FOLDER/0 to FOLDER/10. */
export function makeNights(folder: string, scale: number): void {
  const random = new SeededRandom(13);
  const words = vocabulary(random, 20_000);
  mkdirSync(folder, { recursive: true });
  const work = join(folder, 'work.sqlite');
  const database = new Database(work);
  database.pragma('page_size = 4096');
  database.exec(`
    CREATE TABLE books (id TEXT PRIMARY KEY, title TEXT, description TEXT, chapters TEXT, tags TEXT, updatedAt INT);
    CREATE TABLE progress (id TEXT PRIMARY KEY, userId TEXT, bookId TEXT, currentTime REAL, updatedAt INT);
    CREATE TABLE sessions (id TEXT PRIMARY KEY, bookId TEXT, data TEXT, createdAt INT);
    CREATE INDEX bt ON books (title); CREATE INDEX pb ON progress (bookId); CREATE INDEX sb ON sessions (bookId);`);
  const id = (): string => random.bytes(16).toString('hex');
  const ids = Array.from({ length: Math.max(100, Math.round(9000 * scale)) }, id);
  const readers = ids.slice(0, Math.floor((ids.length * 2) / 3));
  const addBook = database.prepare('INSERT INTO books VALUES (?, ?, ?, ?, ?, 0)');
  const addProgress = database.prepare("INSERT INTO progress VALUES (?, 'u', ?, ?, 0)");
  const addSession = database.prepare('INSERT INTO sessions VALUES (?, ?, ?, ?)');
  database.transaction(() => {
    for (const book of ids) {
      const chapters = Array.from({ length: 30 }, (_, chapter) => ({ t: chapter * 300, n: text(random, words, 30) }));
      const tags = Array.from({ length: 5 }, () => random.pick(words));
      addBook.run(
        book,
        text(random, words, 40),
        text(random, words, 1500),
        JSON.stringify(chapters),
        JSON.stringify(tags),
      );
    }
    for (const book of readers) addProgress.run(id(), book, random.next() * 1e4);
    for (let session = 0; session < ids.length * 3; session++) {
      addSession.run(id(), random.pick(ids), text(random, words, 250), session);
    }
  })();
  const editBook = database.prepare('UPDATE books SET description = ?, updatedAt = ? WHERE id = ?');
  const editProgress = database.prepare('UPDATE progress SET currentTime = ?, updatedAt = ? WHERE bookId = ?');
  for (let night = 0; night <= DATABASE_NIGHTS; night++) {
    if (night > 0) {
      database.transaction(() => {
        for (let edit = 0; edit < 60; edit++) editBook.run(text(random, words, 1500), night, random.pick(ids));
        for (let edit = 0; edit < 150; edit++) editProgress.run(random.next() * 1e4, night, random.pick(readers));
        for (let session = 0; session < 120; session++) {
          addSession.run(id(), random.pick(ids), text(random, words, 250), night * 100_000 + session);
        }
      })();
    }
    mkdirSync(join(folder, `${night}`));
    copyFileSync(work, join(folder, `${night}`, 'absdatabase.sqlite'));
  }
  database.close();
  rmSync(work);
}

const RELEASES = ['4.5.5', '4.6.4', '4.7.4', '4.8.4', '4.9.5', '5.0.4', '5.1.6', '5.2.2', '5.3.3', '5.4.5'];
export const VERSION_NIGHTS = RELEASES.length - 1;

/** Ten releases of the typescript package, FOLDER/0 to FOLDER/9. Throws where the package registry cannot be reached. */
export function makeVersions(folder: string, scale: number): void {
  mkdirSync(folder, { recursive: true });
  const count = Math.max(2, Math.round(RELEASES.length * scale));
  for (const [number, release] of RELEASES.entries()) {
    // Less data is fewer releases, the last one standing for those left out.
    if (number >= count) {
      copyTree(join(folder, `${count - 1}`), join(folder, `${number}`));
      continue;
    }
    const options = { cwd: folder, stdio: 'ignore' } as const;
    execFileSync('npm', ['pack', `typescript@${release}`, '--silent'], options);
    const archive = readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? '';
    execFileSync('tar', ['xzf', archive, '--no-same-owner'], options);
    renameSync(join(folder, 'package'), join(folder, `${number}`));
    rmSync(join(folder, archive));
  }
}

/** With times to the nanosecond, which Node rounds. */
export function copyTree(source: string, target: string): void {
  execFileSync('cp', ['-a', source, target]);
}
