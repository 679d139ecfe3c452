/** The child process that captures databases, one request after the other; sqlite.ts says why it is a process of its own. */

import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { CaptureReply, CaptureRequest, MemberReply } from './sqlite-capture.ts';
import { DatabaseCopier } from './sqlite-copy.ts';
import { type CopyOutcome, FileCopier, removeImage, type Subject } from './sqlite-copy-steps.ts';
import { codeOf, databaseFiles } from './sqlite-files.ts';
import { Damaged, inspectImage } from './sqlite-inspect.ts';
import { MomentCopier } from './sqlite-moment.ts';

async function capture(copier: FileCopier, request: CaptureRequest): Promise<Omit<CaptureReply, 'id'>> {
  const started = performance.now();
  const { scratchDirectory } = request;
  const places = request.paths.map((path) => ({
    ...databaseFiles(Buffer.from(path), scratchDirectory),
    image: join(scratchDirectory, `image-${randomBytes(8).toString('hex')}`),
  }));
  try {
    const [only, ...others] = places;
    if (only !== undefined && others.length === 0) {
      const member = await memberReply(only, started, () => new DatabaseCopier(copier).copy(only, request));
      return { members: [member], apart: undefined };
    }
    const { members, apart } = await new MomentCopier(copier, request).copy(places);
    const copyMs = performance.now() - started;
    const replies: MemberReply[] = [];
    for (const [index, place] of places.entries()) {
      const member = members[index];
      replies.push(
        await memberReply(place, performance.now() - copyMs, async () => {
          if (member?.kind === 'failed') throw member.error;
          return member ?? { kind: 'vanished' };
        }),
      );
    }
    return { members: replies, apart };
  } finally {
    for (const { dispose } of places) dispose();
  }
}

async function memberReply(
  { image }: Subject,
  started: number,
  copy: () => Promise<CopyOutcome>,
): Promise<MemberReply> {
  try {
    const copied = await copy();
    if (copied.kind !== 'copied') {
      removeImage(image);
      return copied;
    }
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
    return { kind: 'failed', message: explain(error) };
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
  const copier = new FileCopier();
  let last = Promise.resolve();
  process.on('message', (request: CaptureRequest) => {
    last = last.then(async () => {
      const { id } = request;
      let reply: CaptureReply;
      try {
        reply = { id, ...(await capture(copier, request)) };
      } catch (error) {
        const failed = { kind: 'failed', message: explain(error) } as const;
        reply = { id, members: request.paths.map(() => failed), apart: undefined };
      }
      process.send?.(reply);
    });
  });
  // Without its parent it has nothing to do; a Ctrl-C that reaches both is the parent's to handle.
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
}

serve();
