/** The process behind roundTrip(). */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { backup } from '../../engine/operations/backup/backup.ts';
import { restore } from '../../engine/operations/restore/restore.ts';
import { Repository } from '../../engine/repository/repository.ts';
import { openLocation } from '../../engine/storage/open.ts';
import { testRepository } from './build-repository.ts';
import type { RoundTripOptions, RoundTripResult } from './round-trip.ts';

const { folder, source, target, backup: backsUp } = JSON.parse(process.argv[2] ?? '') as RoundTripOptions;
const notes: string[] = [];
const monitor = { note: (text: string) => void notes.push(text) };

async function open(): Promise<Repository> {
  if (!existsSync(join(folder, 'repository'))) return testRepository({ folder });
  const backend = await openLocation(join(folder, 'repository'));
  return Repository.open({ backend, credential: { type: 'none' }, cacheDirectory: join(folder, 'cache') });
}

const repository = await open();
const saved = backsUp ? await backup(repository, { paths: [Buffer.from(source)], monitor }) : undefined;
const options = { snapshot: 'latest', path: Buffer.from(source), verify: true, monitor };
const restored =
  target === undefined ? undefined : await restore(repository, { ...options, target: Buffer.from(target) });
const result: RoundTripResult = {
  backupProblems: saved?.problems ?? [],
  restoreProblems: restored?.problems ?? [],
  restoreProblemCount: restored?.problemCount ?? 0,
  notes,
};
process.stdout.write(JSON.stringify(result), () => process.exit(0));
