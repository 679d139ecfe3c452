/** A worker thread that claims ids, with a rest now and then as a backup's worker has between its tasks. */

import { parentPort, workerData } from 'node:worker_threads';
import { BLOB_ID_BYTES, blobIdAt } from '../../engine/base/ids.ts';
import { RunClaims, type SharedClaims } from '../../engine/repository/run-claims.ts';

export interface ClaimReply {
  /** Positions in the list of ids. */
  readonly claimed: readonly number[];
  readonly done: boolean;
}

const REST_EVERY = 200;

interface ClaimWorkerData {
  readonly shared: SharedClaims;
  readonly ids: Uint8Array;
  readonly number: number;
}

async function main(): Promise<void> {
  const { shared, ids: bytes, number } = workerData as ClaimWorkerData;
  const ids = Buffer.from(bytes);
  const claims = await RunClaims.join(shared);
  let updating = Promise.resolve();
  parentPort?.on('message', (newer: SharedClaims) => {
    updating = updating.then(() => claims.update(newer));
  });
  const count = ids.length / BLOB_ID_BYTES;
  let claimed: number[] = [];
  for (let step = 0; step < count; step++) {
    // Each thread begins elsewhere, so that they overtake each other.
    const at = (step + number * 997) % count;
    if (claims.claim(blobIdAt(ids, at * BLOB_ID_BYTES))) claimed.push(at);
    if (step % REST_EVERY !== 0) continue;
    await new Promise((resolve) => setImmediate(resolve));
    await updating;
    parentPort?.postMessage({ claimed, done: false } satisfies ClaimReply);
    claimed = [];
  }
  parentPort?.postMessage({ claimed, done: true } satisfies ClaimReply);
}

await main();
