/**
 * The resume journal: which files a run has finished, and which packs it made durable. A run that was cut off leaves it
 * in the cache directory; the next run with the same sources takes those files over without reading them.
 *
 * Append-only records: type u8, length of the payload u32, payload, CRC-32 of the payload u32. A torn or damaged tail
 * ends the reading. A file is written down as soon as its row is made: whether its chunks became durable is for the
 * reader to see, who asks the index for each of them.
 */

import { closeSync, openSync, readdirSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { PACK_ID_BYTES, type PackId } from '../../base/ids.ts';
import { JOURNAL_FILES_MAX, JOURNAL_UNWRITTEN_BYTES_MAX, MIB } from '../../base/limits.ts';
import { makeDirectories } from '../../base/make-directories.ts';
import type { ContentEntry } from '../../format/row.ts';
import type { StoredPack } from '../../repository/blob-writer.ts';
import { type ChangeRules, isUnchanged, rulesSince } from '../../repository/change-rules.ts';
import { decodeStepEntries, pushEntry } from './file-store.ts';
import { isSameStat, rowWithStat } from './parent-rows.ts';

const RECORD_START = 1;
const RECORD_PACK = 2;
const RECORD_FILE = 3;
const HEAD_BYTES = 5;
const TAIL_BYTES = 4;

interface Earlier {
  readonly file: number;
  readonly startedNs: bigint;
  /** Offset of a file's payload by a hash of its path. */
  readonly offsets: Map<number, { readonly at: number; readonly length: number }>;
}

/** A file that an interrupted run finished. `entries` are set where its row refers to list blobs. */
export interface JournalledFile {
  readonly row: Buffer;
  readonly entries: readonly ContentEntry[] | undefined;
}

export class Journal {
  readonly #directory: string;
  readonly #key: string;
  readonly #earlier: Earlier[] = [];
  readonly #recoveredPacks: PackId[] = [];
  #fd: number | undefined;
  /** Every journal that this run has read or written. */
  readonly #paths: string[] = [];
  readonly #unwritten = new ByteWriter(2 * JOURNAL_UNWRITTEN_BYTES_MAX);

  private constructor(directory: string, key: string) {
    this.#directory = directory;
    this.#key = key;
  }

  /** Reads what interrupted runs with the same `key` left in `directory`. A journal that cannot be read is no loss. */
  static open(directory: string, key: string): Journal {
    const journal = new Journal(directory, key);
    let names: string[] = [];
    try {
      names = readdirSync(directory);
    } catch {
      return journal;
    }
    for (const name of names.sort()) {
      const match = /^([0-9a-f]+)-(\d+)-\d+\.journal$/.exec(name);
      if (match === null || match[1] !== key || isAlive(Number(match[2]))) continue;
      journal.#readEarlier(join(directory, name));
    }
    return journal;
  }

  /** Packs of interrupted runs: durable, and perhaps in no index segment. */
  get recoveredPacks(): readonly PackId[] {
    return this.#recoveredPacks;
  }

  /** False where no file can be found, so that nobody needs to ask. */
  get hasFiles(): boolean {
    return this.#earlier.length > 0;
  }

  get recoveredFiles(): number {
    return this.#earlier.reduce((sum, earlier) => sum + earlier.offsets.size, 0);
  }

  #readEarlier(path: string): void {
    let file: number;
    try {
      file = openSync(path, 'r');
    } catch {
      return;
    }
    let startedNs = 0n;
    const offsets = new Map<number, { at: number; length: number }>();
    const head = Buffer.alloc(HEAD_BYTES);
    for (let at = 0; ; ) {
      if (readSync(file, head, 0, HEAD_BYTES, at) < HEAD_BYTES) break;
      const type = head[0];
      const length = head.readUInt32LE(1);
      if (length > 64 * MIB) break;
      const payload = Buffer.alloc(length + TAIL_BYTES);
      if (readSync(file, payload, 0, payload.length, at + HEAD_BYTES) < payload.length) break;
      if (crc32(payload.subarray(0, length)) !== payload.readUInt32LE(length)) break;
      if (type === RECORD_START) startedNs = payload.readBigUInt64LE(0);
      if (type === RECORD_PACK) this.#recoveredPacks.push(payload.toString('hex', 0, PACK_ID_BYTES) as PackId);
      if (type === RECORD_FILE && offsets.size < JOURNAL_FILES_MAX) {
        const reader = new ByteReader(payload, 'the journal');
        offsets.set(pathHash(reader.counted(MIB)), { at: at + HEAD_BYTES, length });
      }
      at += HEAD_BYTES + length + TAIL_BYTES;
    }
    this.#paths.push(path);
    this.#earlier.push({ file, startedNs, offsets });
  }

  /**
   * What an interrupted run stored of this file, if the file is unchanged since. Whether its chunks are in the
   * repository is for the caller to see.
   */
  find(path: Buffer, stat: Buffer, rules: ChangeRules): JournalledFile | undefined {
    for (const earlier of [...this.#earlier].reverse()) {
      const place = earlier.offsets.get(pathHash(path));
      if (place === undefined) continue;
      const payload = Buffer.alloc(place.length);
      if (readSync(earlier.file, payload, 0, place.length, place.at) < place.length) continue;
      const reader = new ByteReader(payload, 'the journal');
      if (!reader.counted(MIB).equals(path)) continue;
      const row = reader.counted(64 * MIB);
      const entries = reader.remaining === 0 ? undefined : decodeStepEntries(reader.raw(reader.remaining));
      if (isUnchanged(stat, 0, { bytes: row, at: 0 }, rulesSince(earlier.startedNs, rules))) {
        return {
          row: isSameStat(stat, 0, { bytes: row, at: 0 }) ? row : rowWithStat({ bytes: row, at: 0 }, stat, 0),
          entries,
        };
      }
    }
    return undefined;
  }

  /** Begins this run's own journal. Without it a run works, but cannot be resumed. */
  begin(startedNs: bigint): void {
    const path = join(this.#directory, `${this.#key}-${process.pid}-${startedNs / 1_000_000n}.journal`);
    try {
      makeDirectories(this.#directory, 0o700);
      this.#fd = openSync(path, 'wx', 0o600);
    } catch {
      return;
    }
    this.#paths.push(path);
    const start = Buffer.alloc(8);
    start.writeBigUInt64LE(startedNs);
    pushRecord(this.#unwritten, RECORD_START, (writer) => writer.raw(start));
    for (const packId of this.#recoveredPacks) pushPack(this.#unwritten, packId);
    this.#write();
  }

  /** A file whose row is made. `entries` are given where the row refers to list blobs. */
  record(path: Buffer, row: Buffer, entries: readonly ContentEntry[] | undefined): void {
    if (this.#fd === undefined) return;
    pushRecord(this.#unwritten, RECORD_FILE, (writer) => {
      writer.counted(path);
      writer.counted(row);
      for (const entry of entries ?? []) pushEntry(writer, entry.length, entry.blobId);
    });
    if (this.#unwritten.length >= JOURNAL_UNWRITTEN_BYTES_MAX) this.#write();
  }

  packStored(pack: StoredPack): void {
    if (this.#fd === undefined) return;
    pushPack(this.#unwritten, pack.packId);
    this.#write();
  }

  #write(): void {
    if (this.#fd === undefined) return;
    const { backing, length } = this.#unwritten;
    this.#unwritten.reset();
    try {
      for (let at = 0; at < length; ) at += writeSync(this.#fd, backing, at, length - at);
    } catch {
      // A full cache disk ends the journal, not the backup: a resumed run then reads more files again.
      closeSync(this.#fd);
      this.#fd = undefined;
    }
  }

  /** The run's snapshot is committed: nothing is left to resume. */
  finish(): void {
    this.close();
    for (const path of this.#paths) {
      try {
        unlinkSync(path);
      } catch {
        // Somebody removed it already.
      }
    }
  }

  /** Closes the files; what was written down stays for the next run. */
  close(): void {
    this.#write();
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    for (const earlier of this.#earlier.splice(0)) closeSync(earlier.file);
  }
}

/** Appends a whole record whose payload `fill` writes. */
function pushRecord(writer: ByteWriter, type: number, fill: (writer: ByteWriter) => void): void {
  const head = writer.reserve(HEAD_BYTES);
  fill(writer);
  const start = head + HEAD_BYTES;
  const end = writer.length;
  writer.backing[head] = type;
  writer.backing.writeUInt32LE(end - start, head + 1);
  writer.u32(crc32(writer.backing.subarray(start, end)));
}

function pushPack(writer: ByteWriter, packId: PackId): void {
  pushRecord(writer, RECORD_PACK, () => writer.raw(Buffer.from(packId, 'hex')));
}

function pathHash(path: Buffer): number {
  let low = 0x811c9dc5;
  let high = 0x01000193;
  for (const byte of path) {
    low = Math.imul(low ^ byte, 0x01000193);
    high = Math.imul(high ^ byte, 0x85ebca6b) ^ (low >>> 15);
  }
  return (low >>> 0) + (high & 0x1fffff) * 0x1_0000_0000;
}

function isAlive(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
