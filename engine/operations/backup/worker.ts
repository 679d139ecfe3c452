/** Entry of a worker thread: opens the repository's store and runs tasks, strictly one after the other. */

import { parentPort, workerData } from 'node:worker_threads';
import { EngineError, portableError } from '../../base/errors.ts';
import { type LoadedMark, markLoaded } from '../../base/threads.ts';
import { createFileSystem } from '../../filesystem/create.ts';
import { openStore, type RepositoryAddress } from '../../repository/open-store.ts';
import { RunClaims, type SharedClaims } from '../../repository/run-claims.ts';
import { FileStore } from './file-store.ts';
import type { WorkerReply, WorkerRequest } from './messages.ts';

export interface BackupWorkerData {
  readonly loaded: LoadedMark;
  readonly address: RepositoryAddress;
  readonly claims: SharedClaims;
  readonly compressionLevel: number | 'off';
  readonly sniffDatabases: boolean;
  readonly dryRun: boolean;
}

async function main(): Promise<void> {
  const port = parentPort;
  if (port === null) throw new EngineError('INTERNAL', 'The backup worker was started outside a worker thread');
  const data = workerData as BackupWorkerData;
  const post = (reply: WorkerReply): void => port.postMessage(reply);
  /** Bytes of a result change hands instead of being copied. */
  const postResult = (reply: WorkerReply & { type: 'result' }): void => {
    const { result } = reply;
    const bytes = result.type === 'batch' ? result.rows : result.outcome === 'stored' ? result.entries : undefined;
    port.postMessage(reply, bytes === undefined ? [] : [bytes.buffer as ArrayBuffer]);
  };
  const fileSystem = createFileSystem();
  const store = await openStore(data.address);
  markLoaded(data.loaded);
  const claims = await RunClaims.join(data.claims);
  const files = new FileStore(store, fileSystem, {
    ...data,
    claims,
    onStored: (pack) => post({ type: 'pack', pack }),
  });

  const run = async (request: WorkerRequest): Promise<void> => {
    if (request.type === 'claims') return files.updateClaims(request.claims);
    if (request.type === 'flush') {
      await files.flush();
      return post({ type: 'flushed', id: request.id });
    }
    const { id, task } = request;
    const result =
      task.type === 'batch'
        ? files.runBatch(task)
        : await files.runStep(task, (baton) => post({ type: 'baton', id, baton }));
    const effects = await files.settle();
    postResult({ type: 'result', id, result, effects });
  };

  /** After a failure nothing is begun any more, but what is being written is waited for: it would stay half written. */
  const finish = async (request: WorkerRequest): Promise<void> => {
    if (request.type !== 'flush') return;
    await files.idle();
    post({ type: 'flushed', id: request.id });
  };

  // One task at a time: they share the chunker's memory.
  let last = Promise.resolve();
  let failed = false;
  port.on('message', (request: WorkerRequest) => {
    last = last
      .then(() => (failed ? finish(request) : run(request)))
      .catch((error: unknown) => {
        failed = true;
        post({ type: 'failed', ...portableError(error) });
      });
  });
  post({ type: 'ready' });
}

await main();
