/** The server as people meet it: first pages of what is large, and its event loop while a hundred of them browse. */

import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { backup } from '../engine/operations/backup/backup.ts';
import { Repository } from '../engine/repository/repository.ts';
import { createLocation } from '../engine/storage/open.ts';
import { makeNightsOfTrees } from './data/nights.ts';
import { makeManySnapshots } from './data/records.ts';
import { median } from './measure.ts';
import { type JobOptions, MB, scaled } from './options.ts';
import type { Result } from './report.ts';
import { Served } from './served.ts';
import { browse, metricOf } from './server-load.ts';

/** A fifth of them lies in one folder. */
const FILES = 500_000;
const SNAPSHOTS = 10_000;
const ANSWER_MS_MAX = 50;
const PAGES = 21;
const CLIENTS = 100;
const SHELVES = 30;
const NOTES_A_SHELF = 60;
const BOOK_BYTES = 1_500_000;
const BOOKS_MORE = 600;
const MEMORY_MB_MAX = 700;

interface Place {
  readonly folder: string;
  readonly name: string;
  readonly sources?: readonly string[];
}

export async function serverJob(job: string, options: JobOptions): Promise<Result[]> {
  const folder = join(options.scratch, job);
  mkdirSync(folder);
  const results: Result[] = [];
  const note = (what: string, all: readonly number[], unit: 'ms' | 'MB', target?: number): void => {
    results.push({ job, what, value: median([...all]), unit, target: scaled(target, options), all: [...all] });
  };
  options.say(`${job}: making repositories`);
  const files = Math.max(2000, Math.round(FILES * options.scale));
  await make({ folder, name: 'trees' }, (repository) =>
    makeNightsOfTrees(repository, { files, nights: 2, changesANight: 100 }),
  );
  const snapshots = Math.max(50, Math.round(SNAPSHOTS * Math.min(1, options.scale)));
  await make({ folder, name: 'snapshots' }, (repository) => makeManySnapshots(repository, snapshots));

  options.say(`${job}: pages of a large folder`);
  await served({ folder, name: 'trees' }, async (server) => {
    const path = '/library/inbox';
    const { total } = await server.ask<Page>(`/tree?snapshot=latest&path=${path}`);
    const query = `/tree?snapshot=latest&path=${encodeURIComponent(path)}`;
    note(`first page of ${total} entries`, await timesOf(() => server.ask(query)), 'ms', ANSWER_MS_MAX);
    const { next_cursor: cursor } = await server.ask<Page>(query);
    const next = `${query}&cursor=${encodeURIComponent(cursor ?? '')}`;
    note('its second page', await timesOf(() => server.ask(next)), 'ms', ANSWER_MS_MAX);
  });

  options.say(`${job}: a list of snapshots`);
  await served({ folder, name: 'snapshots' }, async (server) => {
    const list = (): Promise<unknown> => server.ask('/snapshots?limit=100');
    const begunMs = performance.now();
    await list();
    note(`${snapshots} snapshots: first list after the start`, [performance.now() - begunMs], 'ms');
    note(`${snapshots} snapshots: first page`, await timesOf(list), 'ms', ANSWER_MS_MAX);
  });

  options.say(`${job}: ${CLIENTS} clients while a backup runs`);
  const load = await crowd(folder);
  note(`${CLIENTS} clients beside a backup (${load.requests} answers): event loop, p99`, [load.p99Ms], 'ms', 50);
  note(`${CLIENTS} clients beside a backup: memory`, [load.memoryMb], 'MB', MEMORY_MB_MAX);
  rmSync(folder, { recursive: true });
  return results;
}

interface Page {
  readonly total: number;
  readonly next_cursor: string | null;
}

async function make({ folder, name }: Place, fill: (repository: Repository) => Promise<unknown>): Promise<void> {
  const backend = await createLocation(join(folder, name));
  const cacheDirectory = join(folder, 'cache');
  const repository = await Repository.init({ backend, cacheDirectory, credential: { type: 'none' } });
  await fill(repository);
  await repository.close();
}

async function served({ folder, name, sources = [] }: Place, act: (server: Served) => Promise<void>): Promise<void> {
  const stateDirectory = join(folder, `${name}-state`);
  const cacheDirectory = join(folder, 'cache');
  const server = await Served.start({ repository: join(folder, name), cacheDirectory, stateDirectory, sources });
  try {
    await act(server);
  } finally {
    await server.stop();
  }
}

/** Milliseconds of each answer, the connection once made. */
async function timesOf(ask: () => Promise<unknown>): Promise<number[]> {
  await ask();
  const times: number[] = [];
  for (let page = 0; page < PAGES; page++) {
    const begunMs = performance.now();
    await ask();
    times.push(performance.now() - begunMs);
  }
  return times;
}

interface Load {
  readonly requests: number;
  readonly p99Ms: number;
  readonly memoryMb: number;
}

async function crowd(folder: string): Promise<Load> {
  const source = join(folder, 'library');
  const target = { folders: [] as string[], files: [] as string[] };
  for (let shelf = 0; shelf < SHELVES; shelf++) {
    const path = join(source, `shelf ${shelf}`);
    mkdirSync(path, { recursive: true });
    for (let note = 0; note < NOTES_A_SHELF; note++) writeFileSync(join(path, `note ${note}.txt`), `words ${note}`);
    writeFileSync(join(path, 'book.m4b'), randomBytes(BOOK_BYTES));
    target.folders.push(path);
    target.files.push(join(path, 'book.m4b'), join(path, 'note 7.txt'));
  }
  const place = { folder, name: 'crowd', sources: [source] };
  await make(place, (repository) => backup(repository, { paths: [Buffer.from(source)] }));
  let load: Load = { requests: 0, p99Ms: 0, memoryMb: 0 };
  await served(place, async (server) => {
    const { items } = await server.ask<{ readonly items: readonly { readonly id: string }[] }>('/snapshots');
    const who = { url: server.url, headers: server.headers, snapshot: items[0]?.id ?? '', ...target };
    // What is loaded and compiled at the first requests is not what is measured.
    await browse(who, 5, sleep(2000));
    for (let book = 0; book < BOOKS_MORE; book++) {
      writeFileSync(join(source, `new ${book}.m4b`), randomBytes(BOOK_BYTES));
    }
    await metricOf(who, 'snap_nodejs_eventloop_lag_p99_seconds');
    const { job } = await server.ask<{ readonly job: { readonly id: number } }>('/backups', { includes_books: true });
    const { requests, errors } = await browse(who, CLIENTS, untilOver(server, job.id));
    if (errors.length > 0) throw new Error(`${errors.length} answers were none: ${errors[0]}`);
    const p99Ms = (await metricOf(who, 'snap_nodejs_eventloop_lag_p99_seconds')) * 1000;
    const memoryMb = (await metricOf(who, 'snap_process_resident_memory_bytes')) / MB;
    load = { requests, p99Ms, memoryMb };
  });
  return load;
}

async function untilOver(server: Served, id: number): Promise<void> {
  for (;;) {
    const { job } = await server.ask<{ readonly job: { readonly status: string } }>(`/jobs/${id}`);
    if (job.status === 'COMPLETED') return;
    if (job.status !== 'QUEUED' && job.status !== 'RUNNING') throw new Error(`The backup is ${job.status}`);
    await sleep(200);
  }
}
