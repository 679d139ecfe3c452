/** The part of the chunk index that is in memory: entries in shared tables, and the frames of their packs. */

import { BLOB_ID_BYTES } from '../base/ids.ts';
import { INDEX_TABLE_SLOTS_MAX, INDEX_TABLE_SLOTS_USUAL_MAX, INDEX_TABLES_USUAL_MAX } from '../base/limits.ts';
import type { PackTable } from '../format/pack-header.ts';
import { ChunkTable, ENTRY_PACK, ENTRY_WORDS } from './chunk-table.ts';

const TABLE_SLOTS_FIRST = 1 << 14;

/** Words of a frame: offset, sealed length, coded length, plain length, codec. */
export const FRAME_WORDS = 5;

export class YoungIndex {
  readonly #tables: ChunkTable[] = [new ChunkTable(TABLE_SLOTS_FIRST)];
  readonly #frames = new Map<number, Int32Array>();

  get tables(): readonly ChunkTable[] {
    return this.#tables;
  }

  /** Entries: a blob that lies in two places counts twice. */
  get blobCount(): number {
    return this.#tables.reduce((sum, table) => sum + table.count, 0);
  }

  get packCount(): number {
    return this.#frames.size;
  }

  frames(pack: number): Int32Array | undefined {
    return this.#frames.get(pack);
  }

  add(pack: number, table: PackTable): void {
    this.#frames.set(pack, packFrames(table));
    let open = this.#openTable();
    let room = open.room;
    for (let frame = 0; frame < table.frameCount; frame++) {
      const end = table.frameFirstBlob[frame + 1] ?? 0;
      for (let blob = table.frameFirstBlob[frame] ?? 0; blob < end; blob++) {
        if (room === 0) {
          open = this.#openTable();
          room = open.room;
        }
        const offset = table.blobOffset[blob] ?? 0;
        const length = table.blobLength[blob] ?? 0;
        open.add(table.blobIds, blob * BLOB_ID_BYTES, { pack, frame, offset, length });
        room--;
      }
    }
  }

  /** The table that takes new entries; a larger one is begun when the others are full. */
  #openTable(): ChunkTable {
    for (const table of this.#tables) if (table.room > 0) return table;
    const most = this.#tables.length < INDEX_TABLES_USUAL_MAX ? INDEX_TABLE_SLOTS_USUAL_MAX : INDEX_TABLE_SLOTS_MAX;
    const table = new ChunkTable(Math.min(TABLE_SLOTS_FIRST * 4 ** this.#tables.length, most));
    this.#tables.push(table);
    return table;
  }

  /** All entries, in the words of a ChunkTable. */
  copyEntries(): Uint32Array {
    const entries = new Uint32Array(this.blobCount * ENTRY_WORDS);
    let end = 0;
    for (const table of this.#tables) end = table.copyEntries(entries, end);
    return entries;
  }

  /** Removes what lies in packs below a number, and keeps its memory. Only where no other thread looks. */
  removeBelow(packEnd: number): void {
    for (const pack of this.#frames.keys()) if (pack < packEnd) this.#frames.delete(pack);
    const entries = this.#frames.size === 0 ? new Uint32Array(0) : this.copyEntries();
    for (const table of this.#tables) table.clear();
    const ids = Buffer.from(entries.buffer);
    for (let at = 0; at < entries.length; at += ENTRY_WORDS) {
      const [pack = 0, frame = 0, offset = 0, length = 0] = entries.subarray(at + ENTRY_PACK, at + ENTRY_WORDS);
      if (pack >= packEnd) this.#openTable().add(ids, at * 4, { pack, frame, offset, length });
    }
  }
}

function packFrames(table: PackTable): Int32Array {
  const frames = new Int32Array(table.frameCount * FRAME_WORDS);
  for (let frame = 0, at = 0; frame < table.frameCount; frame++) {
    frames[at++] = table.frameOffset[frame] ?? 0;
    frames[at++] = table.frameSealedLength[frame] ?? 0;
    frames[at++] = table.frameCodedLength[frame] ?? 0;
    frames[at++] = table.framePlainLength[frame] ?? 0;
    frames[at++] = table.frameCodec[frame] ?? 0;
  }
  return frames;
}
