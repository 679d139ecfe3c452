/** Data sets of plain files: media that does not compress, and very many small files. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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

/** Files of 20 to 2,000 bytes of words, a hundred to a folder. */
export function makeSmall(folder: string, scale: number): void {
  const random = new SeededRandom(2);
  const words = Array.from({ length: SMALL_WORDS }, (_, number) => `w${number}`);
  const files = Math.round(SMALL_FILES * scale);
  let directory = '';
  for (let number = 0; number < files; number++) {
    if (number % SMALL_PER_FOLDER === 0) {
      const folderNumber = number / SMALL_PER_FOLDER;
      directory = join(folder, `${Math.floor(folderNumber / 100)}`, `${folderNumber % 100}`);
      mkdirSync(directory, { recursive: true });
    }
    let content = random.pick(words);
    for (let more = Math.floor(random.between(20, 2000) / 6) + 1; more > 0; more--) content += ` ${random.pick(words)}`;
    writeFileSync(join(directory, `meta-${number}.json`), content);
  }
}
