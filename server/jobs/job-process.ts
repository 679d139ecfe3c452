/** The process of one job: opens the repository itself, makes one call of the engine, and tells the server how it goes. */

import {
  type CommandRunner,
  type Hook,
  isEngineError,
  makeLastCall,
  openRepository,
  type Problem,
  type Progress,
  type Repository,
  runHook,
  stepBack,
} from '../../engine/index.ts';
import { JOB_PROGRESS_MS } from '../limits.ts';
import type { JobError } from './job.ts';
import { runKind } from './kinds.ts';
import type { JobMessage, StartMessage } from './messages.ts';
import type { JobSurroundings } from './surroundings.ts';

const stop = new AbortController();

function tell(message: JobMessage): void {
  // Once the server is gone nobody listens; the job is about to stop.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

/** A signal, or the end of the server. What is stored is kept, as on the command line. */
function stopSoon(): void {
  stop.abort();
}
process.on('SIGINT', stopSoon);
process.on('SIGTERM', stopSoon);
process.on('SIGHUP', stopSoon);
// What would be written there goes nowhere once the server is gone.
process.stderr.on('error', () => undefined);

function surroundingsOf(
  { place }: StartMessage,
  { opened, runCommand }: { readonly opened: Repository[]; readonly runCommand: CommandRunner },
): JobSurroundings {
  let part: string | undefined;
  let lastMs = 0;
  return {
    place,
    signal: stop.signal,
    runCommand,
    open: async () => {
      const repository = await openRepository(place);
      opened.push(repository);
      return repository;
    },
    beginPart: (name) => {
      part = name;
      lastMs = 0;
      tell({ type: 'line', text: `Begins: ${name}` });
    },
    monitor: {
      progress: (progress: Progress) => {
        const now = performance.now();
        if (now - lastMs < JOB_PROGRESS_MS) return;
        lastMs = now;
        tell({ type: 'progress', progress: { ...progress, part } });
      },
      problem: (problem: Problem) => tell({ type: 'problem', problem }),
      damage: ({ object, code, message }) => {
        tell({ type: 'problem', problem: { path: object, during: 'repository', code, message } });
      },
      note: (text: string) => tell({ type: 'line', text }),
    },
  };
}

/** Waits for nobody: what there was to say was said. */
function endProcess(code: number): never {
  makeLastCall(code);
  process.exit(code);
}

function portable(error: unknown): JobError {
  if (isEngineError(error)) return { code: error.code, message: error.message };
  return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) };
}

async function run(message: StartMessage): Promise<void> {
  const opened: Repository[] = [];
  let last: JobMessage;
  try {
    const { kind, request } = message;
    const { hooks = [] } = request as { readonly hooks?: readonly Hook[] };
    // People who browse wait for the server, nobody for a job. A night does so itself, once its commands have their thread.
    const runCommand = kind === 'night' ? runHook : await stepBack(hooks);
    const answer = await runKind(kind, surroundingsOf(message, { opened, runCommand }), request);
    last = { type: 'done', answer };
  } catch (error) {
    if (!isEngineError(error)) process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    last = { type: 'failed', error: portable(error) };
  }
  for (const repository of opened) await repository.close().catch(() => undefined);
  // Threads that are left over must not keep a finished job waiting.
  if (!process.connected) endProcess(1);
  process.send?.(last, undefined, undefined, () => endProcess(0));
}

process.once('message', (message: StartMessage) => {
  process.once('disconnect', () => {
    stopSoon();
    setTimeout(() => endProcess(1), message.graceMs).unref();
  });
  run(message);
});
