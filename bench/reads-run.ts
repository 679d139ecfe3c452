/** Asks one question of a repository in a process that has answered others before, and prints how long the answer took. */

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { makeLastCall } from '../engine/filesystem/last-call.ts';
import { readFileContent } from '../engine/operations/cat.ts';
import type { ZipPlan } from '../engine/operations/export/options.ts';
import { planZip } from '../engine/operations/export/zip-plan.ts';
import { readZip } from '../engine/operations/export/zip-read.ts';
import { type Entry, listEntries, listPage, type PageOptions } from '../engine/operations/list.ts';
import type { CrcStore } from '../engine/repository/crc-store.ts';
import { Repository } from '../engine/repository/repository.ts';
import { openLocation } from '../engine/storage/open.ts';

export interface ReadsReport {
  readonly ms: number;
  readonly found: number;
}

const [what = '', location = '', cacheDirectory = ''] = process.argv.slice(2);
const INBOX = Buffer.from('/library/inbox');
const READERS = 100;
const READ_MS = 3000;
const RANGE_BYTES = 1000;

class CrcMap implements CrcStore {
  readonly #sums = new Map<string, number>();

  find(contentId: string): number | undefined {
    return this.#sums.get(contentId);
  }

  remember(contentId: string, crc: number): void {
    this.#sums.set(contentId, crc);
  }
}

const backend = await openLocation(location);
const opened = { backend, cacheDirectory, credential: { type: 'none' }, keepsSnapshots: true } as const;
const repository = await Repository.open(opened);
const crcs = new CrcMap();

async function bytesOf(pieces: AsyncIterable<Buffer>): Promise<number> {
  let bytes = 0;
  for await (const piece of pieces) bytes += piece.length;
  return bytes;
}

async function timed(act: () => Promise<number>): Promise<ReadsReport> {
  const begunMs = performance.now();
  const found = await act();
  return { ms: performance.now() - begunMs, found };
}

/** The folder that is asked for was not looked at before. */
async function page(options: Partial<PageOptions>): Promise<ReadsReport> {
  for (let time = 0; time < 20; time++)
    await listPage(repository, { snapshot: 'latest', path: Buffer.from('/library') });
  return timed(async () => {
    const asked = { snapshot: 'latest', path: INBOX, limit: 200, ...options };
    return (await listPage(repository, asked)).entries.length;
  });
}

function planAll(): Promise<ZipPlan> {
  return planZip(repository, { snapshot: 'latest', roots: [{ path: Buffer.from('/'), as: Buffer.alloc(0) }] });
}

async function photos(): Promise<Entry[]> {
  const files: Entry[] = [];
  for await (const entry of listEntries(repository, { snapshot: 'latest', recursive: true })) {
    if (entry.node.type === 'file') files.push(entry);
  }
  return files;
}

/** The 99th percentile of the event loop's delay while many read large files as fast as they get them. */
async function delayOfReaders(): Promise<ReadsReport> {
  const files = await photos();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const endMs = performance.now() + READ_MS;
  const read = async (number: number): Promise<void> => {
    for (let at = number; performance.now() < endMs; at += READERS) {
      const path = files[at % files.length]?.path ?? Buffer.alloc(0);
      await bytesOf(readFileContent(repository, { snapshot: 'latest', path }));
    }
  };
  await Promise.all(Array.from({ length: READERS }, (_, number) => read(number)));
  return { ms: delay.percentile(99) / 1e6, found: READERS };
}

const QUESTIONS: { readonly [what: string]: () => Promise<ReadsReport> } = {
  page: () => page({}),
  'page-middle': () => page({ after: Buffer.from('file 050000.mp3') }),
  'page-by-size': () => page({ order: 'size', descending: true }),
  'snapshots-again': async () => {
    for (let time = 0; time < 3; time++) await repository.snapshots.list();
    return timed(async () => (await repository.snapshots.list()).length);
  },
  'snapshot-by-id': async () => {
    const [some] = await repository.snapshots.list();
    return timed(async () => (await repository.snapshots.find(some?.id ?? '')).paths.length);
  },
  'zip-plan': () => timed(async () => (await planAll()).directory.entries),
  'zip-directory': async () => {
    const plan = await planAll();
    const known = { find: () => 1, remember: () => undefined };
    return timed(() => bytesOf(readZip(repository, plan, { crcs: known, start: plan.directory.offset })));
  },
  zip: async () => {
    const plan = await planAll();
    return timed(() => bytesOf(readZip(repository, plan, { crcs })));
  },
  'zip-again': async () => {
    const plan = await planAll();
    await bytesOf(readZip(repository, plan, { crcs }));
    return timed(() => bytesOf(readZip(repository, plan, { crcs, start: plan.length - RANGE_BYTES })));
  },
  range: async () => {
    const [first, second] = await photos();
    const ask = (entry: Entry | undefined) => {
      const { path, node } = entry ?? { path: Buffer.alloc(0), node: { size: 0 } };
      return bytesOf(readFileContent(repository, { snapshot: 'latest', path, offset: node.size - RANGE_BYTES }));
    };
    await ask(first);
    return timed(() => ask(second));
  },
  'delay-of-100-readers': delayOfReaders,
};

const report = await QUESTIONS[what]?.();
await repository.close();
process.stdout.write(`${JSON.stringify(report)}\n`, () => makeLastCall(0));
