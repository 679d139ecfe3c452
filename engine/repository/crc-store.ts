/**
 * CRC-32 sums of files of a snapshot, which a zip needs and a repository does not have of large files: read once, remembered
 * by the id of their content. They lie in a file of the cache directory that only grows; several processes may add to it,
 * and whatever happens to it, or to a record in it, costs time and nothing else.
 */

import { randomBytes } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { errnoCode } from '../base/errors.ts';
import type { RepositoryId } from '../base/ids.ts';
import { CRCS_REMEMBERED_MAX } from '../base/limits.ts';
import { makeDirectories } from '../base/make-directories.ts';
import type { ContentId } from './content-id.ts';

/** Where sums are kept. Neither call fails: what cannot be kept is read again. */
export interface CrcStore {
  /** The CRC-32 of a content, if it is known. */
  find(contentId: ContentId): number | undefined;
  remember(contentId: ContentId, crc: number): void;
}

const ID_BYTES = 16;
/** Id, sum, and a sum of both, little-endian. */
const RECORD_BYTES = ID_BYTES + 8;
/** The layout of a record: another one is another name (trap 17). */
const FILE_NAME = 'sums-v1';

export class CrcFile implements CrcStore {
  readonly #path: string;
  /** In the order in which they came. */
  readonly #sums: Map<ContentId, number>;
  #descriptor: number | undefined;
  #isWritable = true;

  private constructor(path: string, sums: Map<ContentId, number>) {
    this.#path = path;
    this.#sums = sums;
  }

  /** The one of a repository. A file that cannot be read is as good as none. */
  static async open(cacheDirectory: string, repositoryId: RepositoryId): Promise<CrcFile> {
    const folder = join(cacheDirectory, 'crc', repositoryId);
    const path = join(folder, FILE_NAME);
    const bytes = await readFile(path).catch(() => Buffer.alloc(0));
    const { sums, isTidy } = decodeSums(bytes);
    const file = new CrcFile(path, sums);
    try {
      makeDirectories(folder, 0o700);
      if (!isTidy) await file.#rewrite();
    } catch (error) {
      if (errnoCode(error) === undefined) throw error;
      file.#isWritable = false;
    }
    return file;
  }

  find(contentId: ContentId): number | undefined {
    return this.#sums.get(contentId);
  }

  remember(contentId: ContentId, crc: number): void {
    if (this.#sums.get(contentId) === crc) return;
    this.#sums.delete(contentId);
    this.#sums.set(contentId, crc);
    for (const oldest of this.#sums.keys()) {
      if (this.#sums.size <= CRCS_REMEMBERED_MAX) break;
      this.#sums.delete(oldest);
    }
    this.#append(encodeSum(contentId, crc));
  }

  #append(record: Buffer): void {
    if (!this.#isWritable) return;
    try {
      this.#descriptor ??= openSync(this.#path, 'a', 0o600);
      writeSync(this.#descriptor, record);
    } catch (error) {
      if (errnoCode(error) === undefined) throw error;
      this.#isWritable = false;
    }
  }

  /** What is known, and nothing else. Others that add to the old file lose what they add. */
  async #rewrite(): Promise<void> {
    const temporary = `${this.#path}.${randomBytes(6).toString('hex')}`;
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(Buffer.concat([...this.#sums].map(([id, crc]) => encodeSum(id, crc))));
      await file.close();
      await rename(temporary, this.#path);
    } catch (error) {
      await file.close().catch(() => undefined);
      await rm(temporary, { force: true });
      throw error;
    }
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
    this.#isWritable = false;
  }
}

function encodeSum(contentId: ContentId, crc: number): Buffer {
  const record = Buffer.alloc(RECORD_BYTES);
  record.write(contentId, 'hex');
  record.writeUInt32LE(crc, ID_BYTES);
  record.writeUInt32LE(crc32(record.subarray(0, ID_BYTES + 4)), ID_BYTES + 4);
  return record;
}

/** `isTidy`: nothing in the file is damaged, there twice, or more than is wanted. */
function decodeSums(bytes: Buffer): { readonly sums: Map<ContentId, number>; readonly isTidy: boolean } {
  const sums = new Map<ContentId, number>();
  const count = Math.floor(bytes.length / RECORD_BYTES);
  const first = Math.max(0, count - CRCS_REMEMBERED_MAX);
  for (let at = first * RECORD_BYTES; at < count * RECORD_BYTES; at += RECORD_BYTES) {
    const record = bytes.subarray(at, at + RECORD_BYTES);
    if (record.readUInt32LE(ID_BYTES + 4) !== crc32(record.subarray(0, ID_BYTES + 4))) continue;
    sums.set(record.toString('hex', 0, ID_BYTES), record.readUInt32LE(ID_BYTES));
  }
  return { sums, isTidy: sums.size * RECORD_BYTES === bytes.length };
}
