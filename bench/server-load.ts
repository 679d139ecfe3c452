/** People that browse and download, all at once, and what the server's own metrics say of it. */

import { setTimeout as sleep } from 'node:timers/promises';

export interface LoadTarget {
  /** Address of the server. */
  readonly url: string;
  readonly headers: { readonly [name: string]: string };
  readonly snapshot: string;
  /** Folders that are browsed and files that are downloaded, as they are called in the snapshot. */
  readonly folders: readonly string[];
  readonly files: readonly string[];
}

export interface LoadResult {
  readonly requests: number;
  readonly bytes: number;
  /** What was not answered with what was asked for. */
  readonly errors: readonly string[];
}

/** Runs so many clients until the promise settles. */
export async function browse(target: LoadTarget, clients: number, until: Promise<unknown>): Promise<LoadResult> {
  let isOver = false;
  const over = until.finally(() => {
    isOver = true;
  });
  const sums = { requests: 0, bytes: 0, errors: [] as string[] };
  const ask = async (path: string, headers: { [name: string]: string } = {}): Promise<void> => {
    try {
      const response = await fetch(`${target.url}${path}`, { headers: { ...target.headers, ...headers } });
      const body = await response.arrayBuffer();
      const length = response.headers.get('content-length');
      sums.requests++;
      sums.bytes += body.byteLength;
      if (!response.ok) sums.errors.push(`${path}: ${response.status} ${Buffer.from(body).toString()}`);
      else if (length !== null && Number(length) !== body.byteLength) sums.errors.push(`${path}: cut off`);
    } catch (error) {
      sums.errors.push(`${path}: ${String(error)}`);
    }
  };
  const client = async (number: number): Promise<void> => {
    for (let step = number; !isOver; step++) {
      const folder = encodeURIComponent(target.folders[step % target.folders.length] ?? '/');
      const file = encodeURIComponent(target.files[(step * 7) % target.files.length] ?? '/');
      await ask(`/api/v1/tree?snapshot=${target.snapshot}&path=${folder}&limit=50`);
      await ask(
        `/api/v1/content?snapshot=${target.snapshot}&path=${file}`,
        step % 3 === 0 ? { range: 'bytes=3-200000' } : {},
      );
      if (step % 10 === 0) await ask('/api/v1/snapshots?limit=20');
      // People look at what they got.
      await sleep(20);
    }
  };
  await Promise.all([over, ...Array.from({ length: clients }, (_, number) => client(number))]);
  return sums;
}

/** One of its gauges; those of the event loop count since they were last asked for. */
export async function metricOf({ url, headers }: LoadTarget, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`, { headers })).text();
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  if (line === undefined) throw new Error(`There is no ${name} in ${text.slice(0, 200)}`);
  return Number(line.split(' ')[1]);
}

/** Milliseconds of the quickest of some tries: a busy machine makes all but some slower. */
export async function quickestMs(tries: number, act: () => Promise<unknown>): Promise<number> {
  let quickest = Number.POSITIVE_INFINITY;
  for (let number = 0; number < tries; number++) {
    const begunMs = performance.now();
    await act();
    quickest = Math.min(quickest, performance.now() - begunMs);
  }
  return quickest;
}
