/**
 * A repository of 10^6 files and 10^7 blobs, made without their content: trees and index segments are real, packs of data
 * are empty files of the right length. Enough for verbs that read trees and index, and for a prune that drops whole packs.
 */

import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BLOB_ID_BYTES, type BlobId, PACK_ID_BYTES, type PackId } from '../../engine/base/ids.ts';
import {
  COMPRESSION_LEVEL_DEFAULT,
  FRAME_BYTES_TARGET,
  INDEX_SEGMENT_BLOBS_MAX,
  PACK_BYTES_TARGET,
} from '../../engine/base/limits.ts';
import { S_IFDIR, S_IFREG, STAT_BYTES, type Time, writeStat } from '../../engine/base/stat.ts';
import { Compressor } from '../../engine/codec/compression.ts';
import { CODEC_RAW, PROLOGUE_BYTES, SEAL_TAG_BYTES } from '../../engine/format/envelope.ts';
import { type BlobEntry, encodePackHeader, type FrameEntry } from '../../engine/format/pack-header.ts';
import { type Content, encodeRow } from '../../engine/format/row.ts';
import { BlobWriter, type StoredPack } from '../../engine/repository/blob-writer.ts';
import type { Repository } from '../../engine/repository/repository.ts';
import type { CountedPack } from '../../engine/repository/segment-files.ts';
import { TreeWriter } from '../../engine/repository/tree-writer.ts';
import { relativePath } from '../../engine/storage/layout.ts';
import { SeededRandom } from '../random.ts';
import { recordOf } from './records.ts';

const FILES_A_FOLDER = 200;
const BLOBS_A_FILE = 10;
const BLOB_BYTES = 100_000;
/** Of all folders, those that only the oldest snapshot has. */
const GONE_SHARE = 0.1;
const CHANGED_FOLDERS_MAX = 100;
const HOUR_NS = 3600_000_000_000n;

export interface LargeLibrary {
  readonly files: number;
  readonly blobs: number;
  readonly packs: number;
}

/** Packs that lie there as lengths alone. */
class PaperPacks {
  readonly #repository: Repository;
  readonly #location: string;
  readonly #random = new SeededRandom(3);
  #frame: BlobEntry[] = [];
  #frames: FrameEntry[] = [];
  #bytes = 0;
  #blobs = 0;
  #waiting: CountedPack[] = [];
  #waitingBlobs = 0;
  packs = 0;
  blobs = 0;

  constructor(repository: Repository, location: string) {
    this.#repository = repository;
    this.#location = location;
  }

  add(): BlobId {
    const blobId = this.#random.bytes(BLOB_ID_BYTES) as BlobId;
    this.#frame.push({ blobId, length: BLOB_BYTES });
    this.#blobs++;
    if (this.#frame.length * BLOB_BYTES >= FRAME_BYTES_TARGET) this.#endFrame();
    if (this.#bytes >= PACK_BYTES_TARGET) this.#endPack();
    return blobId;
  }

  #endFrame(): void {
    if (this.#frame.length === 0) return;
    const codedLength = this.#frame.length * BLOB_BYTES;
    const sealedLength = codedLength + SEAL_TAG_BYTES;
    this.#frames.push({ codec: CODEC_RAW, codedLength, sealedLength, blobs: this.#frame });
    this.#bytes += sealedLength;
    this.#frame = [];
  }

  #endPack(): void {
    this.#endFrame();
    if (this.#frames.length === 0) return;
    const headerRecord = encodePackHeader({ kind: 'data', frames: this.#frames });
    const packId = this.#random.bytes(PACK_ID_BYTES).toString('hex') as PackId;
    const packLength = PROLOGUE_BYTES + this.#bytes + headerRecord.length;
    const path = join(this.#location, relativePath('pack', packId));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, '');
    truncateSync(path, packLength);
    this.#waiting.push({ packId, packLength, headerRecord, blobs: this.#blobs });
    this.#waitingBlobs += this.#blobs;
    this.packs++;
    this.blobs += this.#blobs;
    this.#frames = [];
    this.#bytes = 0;
    this.#blobs = 0;
  }

  /** Ends the pack under way and names what is there; the next blob goes to a pack of its own. */
  async save(atLeastBlobs: number): Promise<void> {
    if (atLeastBlobs === 0) this.#endPack();
    if (this.#waitingBlobs < Math.max(1, atLeastBlobs)) return;
    await this.#repository.index.save(this.#waiting.splice(0));
    this.#waitingBlobs = 0;
  }
}

function statOf(mode: number, random: SeededRandom, size: number): Buffer {
  const stat = Buffer.alloc(STAT_BYTES);
  const mtime: Time = { seconds: 1_700_000_000, nanoseconds: random.between(0, 1_000_000_000) };
  const inode = BigInt(random.between(1, 2 ** 31));
  writeStat(stat, 0, { mode, uid: 1000, gid: 1000, links: 1, inode, size, mtime, ctime: mtime });
  return stat;
}

function fileRow(index: number, random: SeededRandom, packs: PaperPacks): Buffer {
  const entries = Array.from({ length: BLOBS_A_FILE }, () => ({ length: BLOB_BYTES, blobId: packs.add() }));
  const name = Buffer.from(`file ${String(index).padStart(6, '0')}.m4b`);
  const content: Content = { kind: 'list', entries };
  return encodeRow({ name, stat: statOf(S_IFREG | 0o644, random, BLOBS_A_FILE * BLOB_BYTES), content });
}

function folderRow(name: string, treeId: BlobId): Buffer {
  const content: Content = { kind: 'tree', treeId, filesBelow: FILES_A_FOLDER, bytesBelow: 1 };
  return encodeRow({ name: Buffer.from(name), stat: statOf(S_IFDIR | 0o755, new SeededRandom(1), 0), content });
}

/**
 * Three snapshots: the oldest with folders that are gone from the second, and the newest, in which up to a hundred folders
 * are new ones. `location` is the repository's folder.
 */
export async function makeLargeLibrary(repository: Repository, location: string, files: number): Promise<LargeLibrary> {
  const packs = new PaperPacks(repository, location);
  const treePacks: (StoredPack & { blobs: number })[] = [];
  const known = new Set<string>();
  const writer = new BlobWriter(repository, {
    kind: 'tree',
    compressor: new Compressor(COMPRESSION_LEVEL_DEFAULT),
    onStored: (pack) => void treePacks.push({ ...pack, blobs: 0 }),
  });
  const claim = (id: BlobId): boolean => {
    const before = known.size;
    return known.add(id.toString('latin1')).size > before;
  };
  const trees = new TreeWriter({ keys: repository.keys, writer, claim });
  const random = new SeededRandom(5);
  const startedNs = BigInt(Date.now()) * 1_000_000n - 4n * HOUR_NS;
  const save = async (folders: readonly Buffer[], hour: bigint): Promise<void> => {
    const library = trees.saveDirectory(folders);
    const tree = trees.saveDirectory([folderRow('library', library)]);
    await writer.flush();
    await packs.save(0);
    await repository.index.save(treePacks.splice(0));
    await repository.snapshots.save(recordOf(tree, startedNs + hour * HOUR_NS));
  };
  const newFolder = async (number: number, count: number): Promise<Buffer> => {
    const rows = Array.from({ length: count }, (_, index) => fileRow(index, random, packs));
    const row = folderRow(`folder ${String(number).padStart(6, '0')}`, trees.saveDirectory(rows));
    await trees.settle();
    await packs.save(INDEX_SEGMENT_BLOBS_MAX - 1000);
    return row;
  };
  const folders: Buffer[] = [];
  const total = Math.max(2, Math.round(files / FILES_A_FOLDER));
  const kept = total - Math.max(1, Math.round(total * GONE_SHARE));
  for (let number = 0; number < total; number++) {
    // What goes lies in packs of its own.
    if (number === kept) await packs.save(0);
    folders.push(await newFolder(number, FILES_A_FOLDER));
  }
  await save(folders, 0n);
  folders.length = kept;
  await save(folders, 1n);
  for (let number = 0; number < Math.min(CHANGED_FOLDERS_MAX, kept); number++) {
    folders[number] = await newFolder(number, FILES_A_FOLDER + 1);
  }
  await save(folders, 2n);
  return { files: total * FILES_A_FOLDER, blobs: packs.blobs, packs: packs.packs };
}
