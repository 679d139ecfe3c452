/** The child process that captures databases, one after the other; sqlite.ts says why it is a process of its own. */

import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { CaptureOutcome, CaptureReply, CaptureRequest } from './sqlite-capture.ts';
import { DatabaseCopier, removeImage } from './sqlite-copy.ts';
import { codeOf, databaseFiles } from './sqlite-files.ts';
import { Damaged, inspectImage } from './sqlite-inspect.ts';

async function capture(copier: DatabaseCopier, request: CaptureRequest): Promise<CaptureOutcome> {
  const started = performance.now();
  const { files, dispose } = databaseFiles(Buffer.from(request.path), request.scratchDirectory);
  const image = join(request.scratchDirectory, `image-${randomBytes(8).toString('hex')}`);
  try {
    const copied = await copier.copy(files, image, request);
    if (copied.kind !== 'copied') return copied;
    const inspection = inspectImage(image);
    const { size } = statSync(image);
    return {
      kind: 'captured',
      capture: {
        ...inspection,
        imagePath: image,
        bytes: size,
        pageCount: inspection.pageCount === 0 ? Math.floor(size / inspection.pageSize) : inspection.pageCount,
        journalMode: copied.wal ? 'wal' : 'rollback',
        method: copied.method,
        holdMs: Math.round(copied.holdMs),
        durationSeconds: (performance.now() - started) / 1000,
        live: copied.live,
      },
    };
  } catch (error) {
    removeImage(image);
    throw error;
  } finally {
    dispose();
  }
}

const AS_FILES = 'its files are stored as they lie there, unverified';

function explain(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const code = codeOf(error);
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED'))
    return `somebody kept it locked for longer than the timeout; ${AS_FILES}; try again later`;
  if (code.startsWith('SQLITE_NOTADB')) return `it is encrypted, or damaged (${message}); ${AS_FILES}`;
  if (code.startsWith('SQLITE_CORRUPT') || error instanceof Damaged) return `it is damaged (${message}); ${AS_FILES}`;
  if (code === 'ENOSPC' || code.startsWith('SQLITE_FULL'))
    return `there is no room for its image in the cache directory; ${AS_FILES}`;
  return `${message}; ${AS_FILES}`;
}

function serve(): void {
  const copier = new DatabaseCopier();
  let last = Promise.resolve();
  process.on('message', (request: CaptureRequest) => {
    last = last.then(async () => {
      let reply: CaptureReply;
      try {
        reply = { id: request.id, outcome: await capture(copier, request) };
      } catch (error) {
        reply = { id: request.id, message: explain(error) };
      }
      process.send?.(reply);
    });
  });
  // Without its parent it has nothing to do; a Ctrl-C that reaches both is the parent's to handle.
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
}

serve();
