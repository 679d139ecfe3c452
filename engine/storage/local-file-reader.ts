/** Reads files of a local repository, with as few calls as it takes: each goes to a thread and back. */

import { closeSync, fstat, open, read } from 'node:fs';
import { EngineError } from '../base/errors.ts';
import type { ReadRange } from './backend.ts';

/**
 * What is read at once of a file whose length nobody told. Less than that is all of it: a regular file gives fewer bytes
 * than were asked for at its end alone, so nobody needs to ask for the length of a small one.
 */
const SMALL_FILE_BYTES = 4096;

// Reading goes by plain descriptors: FileHandle's promises take twice the time of a small file's whole reading.

function openForReading(path: string): Promise<number> {
  return new Promise((done, fail) => {
    open(path, 'r', (error, descriptor) => (error === null ? done(descriptor) : fail(error)));
  });
}

function lengthOf(descriptor: number): Promise<number> {
  return new Promise((done, fail) => {
    fstat(descriptor, (error, stats) => (error === null ? done(stats.size) : fail(error)));
  });
}

/** As many bytes as there are, until `bytes` is full. */
function readInto(descriptor: number, bytes: Buffer, position: number): Promise<number> {
  return new Promise((done, fail) => {
    read(descriptor, bytes, 0, bytes.length, position, (error, count) => (error === null ? done(count) : fail(error)));
  });
}

/** The whole file, or a range of it. `relative` names it in errors; those of the system are thrown as they are. */
export async function readLocalFile(path: string, relative: string, range: ReadRange | undefined): Promise<Buffer> {
  const descriptor = await openForReading(path);
  try {
    return await (range === undefined ? readWhole(descriptor, relative) : readRange(descriptor, relative, range));
  } finally {
    // Nothing was written, so nothing has to reach a disk: a thread would take longer to wake than this takes.
    closeSync(descriptor);
  }
}

async function readWhole(descriptor: number, relative: string): Promise<Buffer> {
  const beginning = Buffer.allocUnsafeSlow(SMALL_FILE_BYTES);
  const count = await readInto(descriptor, beginning, 0);
  if (count < beginning.length) return beginning.subarray(0, count);
  const length = await lengthOf(descriptor);
  const bytes = Buffer.allocUnsafeSlow(Math.max(length, count));
  beginning.copy(bytes);
  await fill(descriptor, relative, { bytes, done: count, offset: 0 });
  return bytes;
}

async function readRange(descriptor: number, relative: string, range: ReadRange): Promise<Buffer> {
  const { offset, length, into } = range;
  const hasRoom = into !== undefined && into.length >= length;
  const bytes = hasRoom ? into.subarray(0, length) : Buffer.allocUnsafeSlow(length);
  await fill(descriptor, relative, { bytes, done: 0, offset });
  // Where nothing is read, nothing shows whether the range lies in the file.
  if (length === 0 && (await lengthOf(descriptor)) < offset)
    throw tooShort(relative, await lengthOf(descriptor), offset);
  return bytes;
}

/** Reads what lies at `offset` into `bytes`, of which the first `done` are there. */
async function fill(
  descriptor: number,
  relative: string,
  { bytes, done: begun, offset }: { readonly bytes: Buffer; readonly done: number; readonly offset: number },
): Promise<void> {
  for (let done = begun; done < bytes.length; ) {
    const count = await readInto(descriptor, bytes.subarray(done), offset + done);
    if (count === 0) throw tooShort(relative, await lengthOf(descriptor), offset + bytes.length);
    done += count;
  }
}

function tooShort(relative: string, size: number, end: number): EngineError {
  return new EngineError('OBJECT_CORRUPT', `${relative} is too short: ${size} bytes, ${end} are needed`);
}
