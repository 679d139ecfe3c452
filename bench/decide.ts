/**
 * Prints the figures by which the sizes of the format were decided: `node dist/bench/decide.js [--scale X] [--scratch DIR]
 * [--only TABLES]`. A model in memory stands for the repository, made of the engine's chunker, compressor and record
 * codecs, so that a size can be tried without changing the format.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeSmall } from './data/files.ts';
import { makeBooks, makeNights, makeVersions } from './data/library.ts';
import {
  databasePages,
  frames,
  idWidths,
  indexSegments,
  largeChunks,
  levels,
  packs,
  type Row,
  runTogether,
  smallChunks,
} from './decide/tables.ts';
import { formatTable } from './report.ts';

type Needs = 'small' | 'books' | 'nights' | 'versions';

const MAKERS: { readonly [name in Needs]: (folder: string, scale: number) => void } = {
  small: makeSmall,
  books: makeBooks,
  nights: makeNights,
  versions: makeVersions,
};

interface Decision {
  readonly title: string;
  readonly make: (folder: (name: Needs) => string) => Row[];
}

const DECISIONS: { readonly [name: string]: Decision } = {
  small: {
    title: 'Chunk size of the class "small"',
    make: (folder) => smallChunks({ books: folder('books'), versions: folder('versions') }),
  },
  large: { title: 'Chunk size of the class "large"', make: () => largeChunks() },
  pages: { title: 'Chunks of a database', make: (folder) => databasePages(folder('nights')) },
  frames: { title: 'Frame size, small files', make: (folder) => frames(folder('small')) },
  levels: {
    title: 'Compression level',
    make: (folder) => levels({ small: folder('small'), versions: folder('versions') }),
  },
  packs: { title: 'Pack size', make: () => packs() },
  segments: { title: 'Blobs in an index segment', make: () => indexSegments() },
  ids: { title: 'Width of an id, small files', make: (folder) => idWidths(folder('small')) },
  together: { title: 'Small files run together before chunking', make: (folder) => runTogether(folder('small')) },
};

const { values } = parseArgs({
  options: {
    scale: { type: 'string', default: '1' },
    scratch: { type: 'string', default: tmpdir() },
    only: { type: 'string', default: Object.keys(DECISIONS).join(',') },
  },
});
const scratch = mkdtempSync(join(values.scratch, 'snap-decide-'));
try {
  const made = new Set<Needs>();
  const folder = (name: Needs): string => {
    if (!made.has(name)) MAKERS[name](join(scratch, name), Number(values.scale));
    made.add(name);
    return join(scratch, name);
  };
  for (const name of values.only.split(',')) {
    const decision = DECISIONS[name];
    if (decision === undefined)
      throw new Error(`There is no table "${name}"; there are ${Object.keys(DECISIONS).join(', ')}`);
    process.stdout.write(`${decision.title} (${name})\n${formatTable(decision.make(folder))}\n\n`);
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
