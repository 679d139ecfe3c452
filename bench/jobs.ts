/** The jobs by name, with what is promised of each. */

import { makeMedia, makeSmall } from './data/files.ts';
import { BOOK_NIGHTS, DATABASE_NIGHTS, makeBooks, makeNights, makeVersions, VERSION_NIGHTS } from './data/library.ts';
import { dumpJob } from './dump-job.ts';
import { forgetJob } from './forget-job.ts';
import { growthJob } from './growth-job.ts';
import { historyJob } from './history-job.ts';
import type { JobOptions } from './options.ts';
import { pruneJob } from './prune-job.ts';
import { readsJob } from './reads-job.ts';
import type { Result } from './report.ts';
import { serverJob } from './server-job.ts';
import { treeJob } from './tree-job.ts';

export const JOBS: { readonly [name: string]: (options: JobOptions) => Promise<Result[]> } = {
  media: (options) =>
    treeJob('media', options, {
      make: makeMedia,
      targets: { firstCopy: 2, firstBupstash: 1, restoreCopy: 1.5 },
    }),
  small: (options) =>
    treeJob('small', options, {
      make: makeSmall,
      targets: { firstBupstash: 1.3, restoreCopy: 1, unchangedFind: 2.5, inPlaceFind: 2.5, repositoryMb: 95 },
    }),
  versions: (options) =>
    growthJob('versions', options, {
      make: makeVersions,
      nights: VERSION_NIGHTS,
      counts: 'repository',
      targetMb: 57,
    }),
  books: (options) =>
    growthJob('books', options, { make: makeBooks, nights: BOOK_NIGHTS, counts: 'growth', targetMb: 30 }),
  nights: (options) =>
    growthJob('nights', options, {
      make: makeNights,
      nights: DATABASE_NIGHTS,
      counts: 'growth a night',
      targetMb: 2,
    }),
  dumps: (options) => dumpJob('dumps', options),
  history: (options) => historyJob('history', options),
  reads: (options) => readsJob('reads', options),
  server: (options) => serverJob('server', options),
  prune: (options) => pruneJob('prune', options),
  forget: (options) => forgetJob('forget', options),
};
