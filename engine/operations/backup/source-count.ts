/** Counts the sources in a thread of its own. Nothing but the progress hangs on it. */

import { Worker } from 'node:worker_threads';
import { endThread, type LoadedMark, newLoadedMark } from '../../base/threads.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import { type CountOptions, countOptionsOf, type SourceTotals } from './count-sources.ts';
import type { CountWorkerData } from './count-worker.ts';
import type { BackupOptions } from './options.ts';
import type { RunContext } from './run-context.ts';

const COUNTER_YOUNG_MIB = 6;

export class SourceCount {
  readonly #worker: Worker;
  readonly #loaded: LoadedMark;

  private constructor(worker: Worker, loaded: LoadedMark) {
    this.#worker = worker;
    this.#loaded = loaded;
  }

  /** `onCounted` is called at most once. */
  static start(options: CountOptions, onCounted: (totals: SourceTotals) => void): SourceCount {
    const loaded = newLoadedMark();
    const worker = new Worker(new URL('./count-worker.js', import.meta.url), {
      workerData: { options, loaded } satisfies CountWorkerData,
      resourceLimits: { maxYoungGenerationSizeMb: COUNTER_YOUNG_MIB },
    });
    worker.on('message', onCounted);
    // Without totals a run only has no percentage.
    worker.on('error', () => undefined);
    worker.unref();
    return new SourceCount(worker, loaded);
  }

  stop(): Promise<void> {
    return endThread(this.#worker, this.#loaded);
  }
}

/** Totals from the parent; else, where somebody wants them, from a count beside the run. */
export function expectTotals(
  context: RunContext,
  parent: Snapshot | undefined,
  sources: { readonly options: BackupOptions; readonly own: readonly string[] },
): SourceCount | undefined {
  const expect = ({ files, bytes }: SourceTotals): void => {
    context.filesTotal = files;
    context.bytesTotal = bytes;
  };
  if (parent !== undefined) {
    const { totalFilesProcessed: files, totalBytesProcessed: bytes } = parent.summary;
    expect({ files, bytes });
    return undefined;
  }
  if (sources.options.countSources !== true) return undefined;
  return SourceCount.start(countOptionsOf(sources.options, sources.own), expect);
}
