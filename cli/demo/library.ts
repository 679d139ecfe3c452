/** The folders of a made-up library: audiobooks, e-books, covers, and the server's database, with what happens to them. */

import { createCipheriv, createHash } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { drawCover } from './cover.ts';
import { idOf, LibraryDatabase } from './database.ts';
import type { Title } from './titles.ts';
import { zip } from './zip.ts';

const AUDIOBOOKS = 'Audiobooks';
const EBOOKS = 'E-books';
/** Of one part of an audiobook: enough to be seen in a chart, quick to make. */
const PART_BYTES = 240_000;
/** How an MP4 file, and so an audiobook, begins. */
const MP4_START = Buffer.from('\0\0\0\x1cftypM4B \0\0\0\0M4B mp42isom', 'latin1');
const CHAPTERS = 6;

export class MadeUpLibrary {
  readonly #audiobooks: string;
  readonly #ebooks: string;
  readonly #config: string;
  readonly #metadata: string;
  readonly #database: LibraryDatabase;
  /** Folders of books, by title. */
  readonly #places = new Map<string, string>();
  #evenings = 0;

  constructor(folder: string, at: Date) {
    this.#audiobooks = join(folder, 'audiobooks');
    this.#ebooks = join(folder, 'ebooks');
    this.#config = join(folder, 'audiobookshelf', 'config');
    this.#metadata = join(folder, 'audiobookshelf', 'metadata');
    for (const path of [this.#audiobooks, this.#ebooks, this.#config]) mkdirSync(path, { recursive: true });
    for (const name of ['items', 'authors', 'logs']) mkdirSync(join(this.#metadata, name), { recursive: true });
    const libraries = new Map([
      [AUDIOBOOKS, this.#audiobooks],
      [EBOOKS, this.#ebooks],
    ]);
    this.#database = LibraryDatabase.make(join(this.#config, 'absdatabase.sqlite'), libraries, at);
    this.#put(join(this.#metadata, 'logs', 'server.txt'), 'Listening on port 80\n', at);
  }

  /** What a backup of all of it names, and what a server finds to be its parts. */
  get sources(): readonly Buffer[] {
    return [this.#config, this.#metadata, this.#audiobooks, this.#ebooks].map((path) => Buffer.from(path));
  }

  add(title: Title, at: Date): void {
    const library = title.parts > 0 ? AUDIOBOOKS : EBOOKS;
    const root = title.parts > 0 ? this.#audiobooks : this.#ebooks;
    const path = join(root, title.author, title.title);
    this.#places.set(title.title, path);
    const coverPath = join(this.#metadata, 'items', idOf('item', title.title), 'cover.png');
    const cover = drawCover(title.title);
    this.#put(coverPath, cover, at);
    this.#put(join(path, 'cover.png'), cover, at);
    this.#put(join(path, 'metadata.json'), metadataOf(title), at);
    this.#put(join(path, 'desc.txt'), `${title.opening}\n`, at);
    const audio = Array.from({ length: title.parts }, (_, index) => `part ${index + 1}.m4b`);
    for (const name of audio) this.#put(join(path, name), soundOf(`${title.title} ${name}`), at);
    const files = title.parts > 0 ? audio : [`${title.title}.epub`];
    if (title.parts === 0) this.#put(join(path, files[0] ?? ''), epubOf(title, cover), at);
    this.#database.add({ title, library, path, relPath: relative(root, path), coverPath, files }, at);
  }

  listen(at: Date): void {
    this.#database.listen(this.#evenings++, at);
  }

  /** Somebody corrects what is said of a book. */
  describe(title: Title, description: string, at: Date): void {
    this.#put(join(this.#placeOf(title), 'desc.txt'), `${description}\n`, at);
    this.#database.describe(title, description, at);
  }

  recover(title: Title, at: Date): void {
    const cover = drawCover(title.title, 2);
    this.#put(join(this.#metadata, 'items', idOf('item', title.title), 'cover.png'), cover, at);
    this.#put(join(this.#placeOf(title), 'cover.png'), cover, at);
  }

  /** All books of an author move to a folder of another name. */
  renameAuthor(from: string, to: string, at: Date): void {
    const [before, after] = [join(this.#audiobooks, from), join(this.#audiobooks, to)];
    renameSync(before, after);
    utimesSync(this.#audiobooks, at, at);
    this.#database.move(before, after, at);
    for (const [title, path] of this.#places) {
      if (path.startsWith(`${before}/`)) this.#places.set(title, join(after, relative(before, path)));
    }
  }

  remove(title: Title, at: Date): void {
    const path = this.#placeOf(title);
    rmSync(path, { recursive: true });
    utimesSync(dirname(path), at, at);
    this.#places.delete(title.title);
    this.#database.remove(title, at);
  }

  /** The disk of the audiobooks is not mounted while `action` runs: its folder is there, and empty. */
  async withoutDisk(action: () => Promise<void>): Promise<void> {
    const elsewhere = `${this.#audiobooks} (not mounted)`;
    renameSync(this.#audiobooks, elsewhere);
    mkdirSync(this.#audiobooks);
    try {
      await action();
    } finally {
      if (readdirSync(this.#audiobooks).length === 0) rmSync(this.#audiobooks, { recursive: true });
      renameSync(elsewhere, this.#audiobooks);
    }
  }

  #placeOf({ title }: Title): string {
    const place = this.#places.get(title);
    if (place === undefined) throw new RangeError(`There is no ${title}`);
    return place;
  }

  /** A file of that time, in a folder of that time. */
  #put(path: string, content: Buffer | string, at: Date): void {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    utimesSync(path, at, at);
    for (const folder of [dirname(path), dirname(dirname(path))]) utimesSync(folder, at, at);
  }
}

function metadataOf({ author, title, year }: Title): string {
  return `${JSON.stringify({ title, authors: [author], publishedYear: String(year), genres: ['Classics'] }, null, 2)}\n`;
}

/** Bytes that nothing makes shorter, as sound is: the same for the same words. */
function soundOf(words: string): Buffer {
  const key = createHash('sha256').update(words).digest().subarray(0, 16);
  const noise = createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(PART_BYTES));
  return Buffer.concat([MP4_START, noise]);
}

function epubOf({ author, title, opening }: Title, cover: Buffer): Buffer {
  const chapters = Array.from({ length: CHAPTERS }, (_, index) => ({
    name: `OEBPS/chapter ${index + 1}.xhtml`,
    content: Buffer.from(`<html><body><h1>Chapter ${index + 1}</h1><p>${`${opening} `.repeat(40)}</p></body></html>`),
  }));
  const opf = `<package><metadata><title>${title}</title><creator>${author}</creator></metadata></package>`;
  return zip([
    { name: 'mimetype', content: Buffer.from('application/epub+zip') },
    { name: 'OEBPS/content.opf', content: Buffer.from(opf) },
    ...chapters,
    { name: 'OEBPS/cover.png', content: cover },
  ]);
}
