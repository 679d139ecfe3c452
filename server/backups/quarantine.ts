/**
 * Where uploads lie until they are judged and used: a private folder of the state, which nothing but this server reads, and
 * which no backup takes. It is emptied at each start.
 */

import { randomBytes } from 'node:crypto';
import { createWriteStream, mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { EngineError } from '../../engine/index.ts';
import { UPLOAD_BYTES_MAX, UPLOAD_FREE_BYTES_MIN, UPLOADS_MAX } from '../limits.ts';
import { notFound, ServerError } from '../problems.ts';

/** Backups leave out a folder that has it. */
const CACHE_TAG = 'CACHEDIR.TAG';
const CACHE_TAG_TEXT = 'Signature: 8a477f597d28d172789f06886806bc55\n# Uploads that are not judged yet.\n';

const CUT_OFF = 'The upload was cut off: nothing of it is left';

export interface Upload {
  readonly id: number;
  /** Random; names the upload in the repository. */
  readonly key: string;
  readonly file: string;
  readonly bytes: number;
  readonly receivedMs: number;
  readonly createdBy: string;
  /** The job that judges it. */
  readonly jobId: number | undefined;
  /** The job that restores it. */
  readonly restoreJobId: number | undefined;
}

export class Quarantine {
  readonly #folder: string;
  readonly #uploads = new Map<number, Upload>();
  #last = 0;
  #arriving = 0;

  constructor(stateDirectory: string) {
    this.#folder = join(stateDirectory, 'quarantine');
    rmSync(this.#folder, { recursive: true, force: true });
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    writeFileSync(join(this.#folder, CACHE_TAG), CACHE_TAG_TEXT);
  }

  list(): Upload[] {
    return [...this.#uploads.values()];
  }

  get(id: number): Upload {
    const upload = this.#uploads.get(id);
    if (upload === undefined)
      throw notFound(`There is no upload ${id}: it may have been used, or the server started anew`);
    return upload;
  }

  findByJob(jobId: number): Upload | undefined {
    return this.list().find((upload) => upload.jobId === jobId);
  }

  findByKey(key: string): Upload | undefined {
    return this.list().find((upload) => upload.key === key);
  }

  set(upload: Upload): void {
    this.#uploads.set(upload.id, upload);
  }

  remove({ id, file }: Pick<Upload, 'id' | 'file'>): void {
    this.#uploads.delete(id);
    rmSync(file, { force: true });
  }

  /** Takes the bytes as they come, none of them twice in memory. Whatever fails leaves nothing. TOO_LARGE, BUSY, TARGET_FAILED. */
  async receive(
    body: Readable,
    given: { readonly declaredBytes: number | undefined; readonly nowMs: number; readonly createdBy: string },
  ): Promise<Upload> {
    if (this.#uploads.size + this.#arriving >= UPLOADS_MAX) {
      throw new ServerError('BUSY', `${UPLOADS_MAX} uploads are here already: restore or delete one first`);
    }
    this.#requireRoom(given.declaredBytes ?? 0);
    const id = ++this.#last;
    const file = join(this.#folder, `upload-${id}.zip`);
    this.#arriving++;
    try {
      const bytes = await this.#write(body, file);
      const { nowMs: receivedMs, createdBy } = given;
      const key = randomBytes(12).toString('hex');
      const upload = { id, key, file, bytes, receivedMs, createdBy, jobId: undefined, restoreJobId: undefined };
      this.#uploads.set(id, upload);
      return upload;
    } catch (error) {
      rmSync(file, { force: true });
      throw uploadError(error);
    } finally {
      this.#arriving--;
    }
  }

  async #write(body: Readable, file: string): Promise<number> {
    let bytes = 0;
    let looked = 0;
    const counter = new Transform({
      transform: (piece: Buffer, _encoding, done) => {
        bytes += piece.length;
        try {
          if (bytes > UPLOAD_BYTES_MAX) throw tooLarge();
          // The last bytes of a disk are not for uploads: the server's own state lies there.
          if (bytes - looked > UPLOAD_FREE_BYTES_MIN / 4) {
            looked = bytes;
            this.#requireRoom(0);
          }
          done(null, piece);
        } catch (error) {
          done(error as Error);
        }
      },
    });
    // The body is not part of the pipeline, which would destroy the connection by which the client is to hear what failed.
    const cutOff = (error?: Error): void => {
      if (!body.readableEnded) counter.destroy(error ?? new ServerError('REQUEST_INVALID', CUT_OFF));
    };
    body.once('error', cutOff).once('close', () => cutOff());
    body.pipe(counter);
    const sink = createWriteStream(file, { flags: 'wx', mode: 0o600 });
    // A file that was removed while it is open still takes its room.
    const closed = new Promise<void>((resolve) => sink.once('close', resolve));
    try {
      await pipeline(counter, sink);
    } finally {
      body.unpipe(counter);
      // What still comes is read and thrown away.
      body.resume();
      await closed;
    }
    return bytes;
  }

  #requireRoom(declaredBytes: number): void {
    if (declaredBytes > UPLOAD_BYTES_MAX) throw tooLarge();
    const { bavail, bsize } = statfsSync(this.#folder);
    const free = bavail * bsize;
    if (declaredBytes + UPLOAD_FREE_BYTES_MIN <= free) return;
    throw new EngineError(
      'TARGET_FAILED',
      `The disk of ${this.#folder} has ${free} bytes left, too few for this upload: make room there, or import the file with "snap import"`,
    );
  }
}

function tooLarge(): ServerError {
  return new ServerError('TOO_LARGE', `An upload has at most ${UPLOAD_BYTES_MAX} bytes`);
}

function uploadError(error: unknown): unknown {
  if (error instanceof ServerError || error instanceof EngineError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new EngineError(
      'TARGET_FAILED',
      'The disk is full: the upload was given up, and nothing of it is left',
      error,
    );
  }
  if (code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ABORT_ERR') {
    return new ServerError('REQUEST_INVALID', CUT_OFF);
  }
  return new EngineError('TARGET_FAILED', `The upload cannot be written: ${message}`, error);
}
