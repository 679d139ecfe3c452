/** A restore's worker thread: reads the next task's frames while it is busy with the one before. */

import { parentPort, workerData } from 'node:worker_threads';
import { portableError } from '../../base/errors.ts';
import type { Time } from '../../base/stat.ts';
import { type LoadedMark, markLoaded } from '../../base/threads.ts';
import { createFileSystem } from '../../filesystem/create.ts';
import type { LoadedBatch } from '../../repository/batch-reader.ts';
import { openStore, type RepositoryAddress } from '../../repository/open-store.ts';
import type { WorkerReply, WorkerRequest } from './messages.ts';
import { TaskRunner } from './task-runner.ts';

export interface RestoreWorkerData {
  readonly loaded: LoadedMark;
  readonly address: RepositoryAddress;
  readonly temporaryPrefix: string;
  readonly plannedAt: Time | undefined;
  /** One Int32: not zero once the run is called off. */
  readonly cancel: SharedArrayBuffer;
}

async function main(): Promise<void> {
  const port = parentPort;
  if (port === null) throw new Error('A restore worker is started by a restore');
  const data = workerData as RestoreWorkerData;
  const cancel = new Int32Array(data.cancel);
  const fileSystem = createFileSystem();
  const store = await openStore(data.address);
  markLoaded(data.loaded);
  const runner = new TaskRunner(store, fileSystem, {
    temporaryPrefix: data.temporaryPrefix,
    plannedAt: data.plannedAt,
    cancelled: () => Atomics.load(cancel, 0) !== 0,
  });
  const reply = (message: WorkerReply): void => port.postMessage(message);
  let before: Promise<void> = Promise.resolve();
  port.on('message', (request: WorkerRequest) => {
    if ('sync' in request) {
      before = before.then(() => {
        try {
          fileSystem.syncFileSystem(fileSystem.adoptDirectory(request.sync.fd, Buffer.from(request.sync.path)));
          reply({ id: request.id, result: undefined });
        } catch (error) {
          reply({ id: request.id, error: portableError(error) });
        }
      });
      return;
    }
    const { id, task } = request;
    const loading = runner.load(task).then(
      (loaded): LoadedBatch | { readonly error: unknown } => loaded,
      (error: unknown) => ({ error }),
    );
    before = before.then(async () => {
      try {
        const loaded = await loading;
        if ('error' in loaded) throw loaded.error;
        reply({ id, result: runner.run(task, loaded) });
      } catch (error) {
        reply({ id, error: portableError(error) });
      }
    });
  });
}

await main();
