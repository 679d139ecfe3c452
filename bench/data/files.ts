/** Data sets of plain files: media that does not compress, and very many small files. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SeededRandom, text, vocabulary } from '../random.ts';

const MEDIA_FILES = 60;
const MEDIA_BYTES = 2.1e9;

/** Sixty files of 35 MB on average: audiobooks and photo archives, as far as an engine can tell. */
export function makeMedia(folder: string, scale: number): void {
  const random = new SeededRandom(1);
  const files = Math.max(2, Math.round(MEDIA_FILES * Math.min(1, scale * 10)));
  const each = (MEDIA_BYTES * scale) / files;
  for (let number = 0; number < files; number++) {
    const directory = join(folder, `Author ${number % 12}`);
    mkdirSync(directory, { recursive: true });
    const length = Math.round(each * (0.5 + random.next()));
    writeFileSync(join(directory, `Part ${number}.m4b`), random.bytes(length));
  }
}

const SMALL_FILES = 200_000;
const SMALL_PER_FOLDER = 200;

/** Files of 20 to 2,000 bytes of text, 200 to a folder. */
export function makeSmall(folder: string, scale: number): void {
  const random = new SeededRandom(2);
  const words = vocabulary(random, 20_000);
  const page = Buffer.from(text(random, words, 4_000_000));
  const files = Math.round(SMALL_FILES * scale);
  for (let number = 0; number < files; number++) {
    const directory = join(
      folder,
      `${Math.floor(number / SMALL_PER_FOLDER / 50)}`,
      `${Math.floor(number / SMALL_PER_FOLDER)}`,
    );
    if (number % SMALL_PER_FOLDER === 0) mkdirSync(directory, { recursive: true });
    const start = random.between(0, page.length - 2000);
    writeFileSync(join(directory, `item ${number}.json`), page.subarray(start, start + random.between(20, 2001)));
  }
}
