/** Bytes of the journal `.snap-restore` and of the memory it becomes: a head, then blocks of digests with checksums. */

import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { JOURNAL_BLOCK_DIGESTS_MAX } from '../../base/limits.ts';
import { DIGEST_BYTES } from './state-digest.ts';

export const JOURNAL_HEAD_BYTES = 8 + 32 + 32 + 8 + 4;
const MAGIC = Buffer.from('SNAPRJ01', 'latin1');
const TOKEN_PATTERN = /^[0-9a-f]{8}$/;
const BLOCK_HEAD_BYTES = 8;

export interface JournalHead {
  /** What is being restored: a hash over the snapshot's id and the path in it. */
  readonly subject: Buffer;
  /** Which start of the machine this is: what was not synced before a power cut proves nothing. */
  readonly boot: Buffer;
  /** Part of the names of temporary files, so that those of a killed run are known again. Eight hexadecimal digits. */
  readonly token: string;
}

export function subjectOf(repositoryId: string, snapshotId: string, path: Buffer | undefined): Buffer {
  return createHash('sha256')
    .update(`${repositoryId}/${snapshotId}/`)
    .update(path ?? '')
    .digest();
}

export function encodeJournalHead(head: JournalHead): Buffer {
  const bytes = Buffer.alloc(JOURNAL_HEAD_BYTES);
  MAGIC.copy(bytes, 0);
  head.subject.copy(bytes, 8);
  head.boot.copy(bytes, 40);
  bytes.write(head.token, 72, 'latin1');
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 80)), 80);
  return bytes;
}

export function decodeJournalHead(bytes: Buffer): JournalHead | undefined {
  if (bytes.length < JOURNAL_HEAD_BYTES || !bytes.subarray(0, 8).equals(MAGIC)) return undefined;
  if (bytes.readUInt32LE(80) !== crc32(bytes.subarray(0, 80))) return undefined;
  const token = bytes.toString('latin1', 72, 80);
  if (!TOKEN_PATTERN.test(token)) return undefined;
  return { subject: Buffer.from(bytes.subarray(8, 40)), boot: Buffer.from(bytes.subarray(40, 72)), token };
}

export function encodeBlock(digests: Buffer): Buffer {
  const block = Buffer.allocUnsafe(BLOCK_HEAD_BYTES + digests.length);
  block.writeUInt32LE(digests.length / DIGEST_BYTES, 0);
  block.writeUInt32LE(crc32(digests), 4);
  digests.copy(block, BLOCK_HEAD_BYTES);
  return block;
}

/**
 * Walks blocks through `read`, which gives up to `length` bytes at a position. Ends at the first block that is torn or
 * damaged, and returns where that is: what follows is overwritten.
 */
export function readBlocks(
  from: number,
  read: (position: number, length: number) => Buffer,
  onDigests: (digests: Buffer) => void,
): number {
  let at = from;
  while (true) {
    const head = read(at, BLOCK_HEAD_BYTES);
    if (head.length < BLOCK_HEAD_BYTES) return at;
    const count = head.readUInt32LE(0);
    if (count === 0 || count > JOURNAL_BLOCK_DIGESTS_MAX) return at;
    const digests = read(at + BLOCK_HEAD_BYTES, count * DIGEST_BYTES);
    if (digests.length < count * DIGEST_BYTES || crc32(digests) !== head.readUInt32LE(4)) return at;
    onDigests(digests);
    at += BLOCK_HEAD_BYTES + digests.length;
  }
}
