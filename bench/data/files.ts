/** Data sets of plain files: media that does not compress, and very many small files. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SeededRandom } from '../random.ts';

const MEDIA_FILES = 60;
const MEDIA_FILE_BYTES = 35 * 2 ** 20;
/** How an MP4 file, and so an audiobook, begins. */
const MP4_START = Buffer.from('\0\0\0\x1cftypM4B \0\0\0\0M4B mp42isom', 'latin1');

/** Sixty audiobooks of 35 MiB each, as far as an engine can tell. */
export function makeMedia(folder: string, scale: number): void {
  const random = new SeededRandom(7);
  const files = Math.max(2, Math.round(MEDIA_FILES * Math.min(1, scale * 10)));
  const bytes = Math.round((MEDIA_FILES * MEDIA_FILE_BYTES * scale) / files);
  for (let number = 0; number < files; number++) {
    const directory = join(folder, `Author ${number % 12}`, `Book ${number}`);
    mkdirSync(directory, { recursive: true });
    const content = random.bytes(bytes);
    MP4_START.copy(content);
    writeFileSync(join(directory, 'audio.m4b'), content);
  }
}

const SMALL_FILES = 200_000;
const SMALL_PER_FOLDER = 100;
const SMALL_WORDS = 5000;

/** Where the file of a number lies. */
function smallPath(folder: string, number: number): string {
  const folderNumber = Math.floor(number / SMALL_PER_FOLDER);
  return join(folder, `${Math.floor(folderNumber / 100)}`, `${folderNumber % 100}`, `meta-${number}.json`);
}

function smallContent(random: SeededRandom, words: readonly string[]): string {
  let content = random.pick(words);
  for (let more = Math.floor(random.between(20, 2000) / 6) + 1; more > 0; more--) content += ` ${random.pick(words)}`;
  return content;
}

const smallWords = (): string[] => Array.from({ length: SMALL_WORDS }, (_, number) => `w${number}`);

/** Files of 20 to 2,000 bytes of words, a hundred to a folder. */
export function makeSmall(folder: string, scale: number): void {
  const random = new SeededRandom(2);
  const words = smallWords();
  const files = Math.round(SMALL_FILES * scale);
  for (let number = 0; number < files; number++) {
    const path = smallPath(folder, number);
    if (number % SMALL_PER_FOLDER === 0) mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, smallContent(random, words));
  }
}

/** New content for some share of the files of makeSmall, strewn over all folders. */
export function changeSmall(
  folder: string,
  scale: number,
  night: { readonly number: number; readonly share: number },
): void {
  const random = new SeededRandom(100 + night.number);
  const words = smallWords();
  const files = Math.round(SMALL_FILES * scale);
  for (let changes = Math.ceil(files * night.share); changes > 0; changes--) {
    writeFileSync(smallPath(folder, random.between(0, files)), smallContent(random, words));
  }
}

/** Photos of 0.5 to 4.5 MB, `bytes` in all, none of which compresses. Returns their paths. */
export function makePhotos(folder: string, bytes: number): string[] {
  const random = new SeededRandom(21);
  const paths: string[] = [];
  for (let made = 0; made < bytes; ) {
    const directory = join(folder, `${2000 + Math.floor(paths.length / 200)}`);
    if (paths.length % 200 === 0) mkdirSync(directory, { recursive: true });
    const path = join(directory, `IMG_${String(paths.length).padStart(5, '0')}.jpg`);
    const content = random.bytes(random.between(500_000, 4_500_000));
    writeFileSync(path, content);
    made += content.length;
    paths.push(path);
  }
  return paths;
}
