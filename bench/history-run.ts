/** Runs one verb of the engine in a process of its own, and prints how long it took without start-up. */

import { makeLastCall } from '../engine/filesystem/last-call.ts';
import { diff } from '../engine/operations/diff/diff.ts';
import { findEntries } from '../engine/operations/find.ts';
import { type ForgetOptions, forget } from '../engine/operations/forget/forget.ts';
import type { RetentionPolicy } from '../engine/operations/forget/policy.ts';
import { logPath } from '../engine/operations/log.ts';
import { Repository } from '../engine/repository/repository.ts';
import { openLocation } from '../engine/storage/open.ts';
import { FOLLOWED_PATH } from './data/nights.ts';
import { cpuMs } from './measure.ts';

const [verb = '', location = '', cacheDirectory = '', before = '', after = ''] = process.argv.slice(2);

const FEW_STAY: RetentionPolicy = { keepHourly: 24, keepDaily: 14, keepWeekly: 8, keepMonthly: 12 };

const VERBS: { readonly [verb: string]: (repository: Repository) => Promise<number> } = {
  diff: async (repository) => {
    let changes = 0;
    for await (const { event } of diff(repository, { before, after })) if (event === 'change') changes++;
    return changes;
  },
  log: async (repository) => (await logPath(repository, { path: FOLLOWED_PATH })).length,
  find: async (repository) => {
    let found = 0;
    for await (const _ of findEntries(repository, { pattern: 'file 000007.*' })) found++;
    return found;
  },
  'forget-plan': (repository) => forgotten(repository, { policy: FEW_STAY, dryRun: true }),
  'forget-night': (repository) => forgotten(repository, { policy: { keepLast: Number(before) } }),
  'forget-most': (repository) => forgotten(repository, { policy: FEW_STAY }),
};

async function forgotten(repository: Repository, options: ForgetOptions): Promise<number> {
  return (await forget(repository, options)).removed;
}

const backend = await openLocation(location);
const repository = await Repository.open({ backend, cacheDirectory, credential: { type: 'none' } });
await repository.loadIndex();
const begunMs = performance.now();
const cpuBegunMs = cpuMs();
const found = (await VERBS[verb]?.(repository)) ?? 0;
const result = { ms: performance.now() - begunMs, cpuMs: cpuMs() - cpuBegunMs, found };
await repository.close();
process.stdout.write(`${JSON.stringify(result)}\n`, () => makeLastCall(0));
