/** One table for each size of the format; every one is made from the bench's own data. */

import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { blobIdAt, type PackId } from '../../engine/base/ids.ts';
import { KIB, MIB } from '../../engine/base/limits.ts';
import { Compressor, decompress } from '../../engine/codec/compression.ts';
import { Sealer } from '../../engine/codec/seal.ts';
import { decodeIndexSegment, encodeIndexSegment, encodePackHeader } from '../../engine/format/pack-header.ts';
import { cpuMs } from '../measure.ts';
import { SeededRandom } from '../random.ts';
import { filesBelow, fixedParameters, ModelStore, parametersFor } from './store.ts';

const MB = 1e6;
const LEVEL = 3;
const FRAME_BYTES = 256 * KIB;

export type Row = Readonly<Record<string, string | number>>;

const mb = (bytes: number): string => (bytes / MB).toFixed(2);
const size = (bytes: number): string => (bytes >= MIB ? `${bytes / MIB} MiB` : `${bytes / KIB} KiB`);

/** The first night's bytes and what the nights after it add, for a folder of nights 0, 1, 2 ... */
function nights(store: ModelStore, folder: string): { first: number; growth: number; count: number } {
  const numbers = readdirSync(folder)
    .map(Number)
    .sort((a, b) => a - b);
  let first = 0;
  for (const number of numbers) {
    store.addFolder(join(folder, `${number}`));
    if (number === 0) first = store.storedBytes;
  }
  return { first, growth: store.storedBytes - first, count: numbers.length - 1 };
}

export function smallChunks(folders: { readonly [name: string]: string }): Row[] {
  return [4, 8, 16, 32, 64, 256, 1024].map((kib) => {
    const row: Record<string, string | number> = { 'normal size': `${kib} KiB` };
    for (const [name, folder] of Object.entries(folders)) {
      const store = new ModelStore({ chunks: parametersFor(kib * KIB), frameBytes: FRAME_BYTES, level: LEVEL });
      const { first, growth } = nights(store, folder);
      row[`${name}: first MB`] = mb(first);
      row[`${name}: growth MB`] = mb(growth);
      row[`${name}: chunks`] = store.chunks;
    }
    return row;
  });
}

/** A tag of 1,000 bytes more at the start of a media file: what is stored again, and what the index of 10 TB needs. */
export function largeChunks(): Row[] {
  const random = new SeededRandom(21);
  const files = Array.from({ length: 4 }, () => random.bytes(35 * MIB));
  return [256 * KIB, 512 * KIB, MIB, 2 * MIB, 4 * MIB].map((normal) => {
    const chunks = parametersFor(normal, { min: 1 / 2, max: 4 });
    const store = new ModelStore({ chunks, frameBytes: FRAME_BYTES, level: LEVEL });
    for (const file of files) store.addFile(file);
    const average = store.newBytes / store.chunks;
    const before = store.newBytes;
    for (const file of files)
      store.addFile(Buffer.concat([file.subarray(0, 500), random.bytes(1000), file.subarray(500)]));
    return {
      'normal size': size(normal),
      'average KiB': Math.round(average / KIB),
      'cut GB/s': (store.plainBytes / store.cutMs / MB).toFixed(2),
      'stored again for an edited tag, MB': mb((store.newBytes - before) / files.length),
      'chunks in 10 TB': `${(1e13 / average / 1e6).toFixed(1)} million`,
    };
  });
}

export function databasePages(folder: string): Row[] {
  const kinds = [
    ['page, 4 KiB', fixedParameters(4 * KIB)],
    ['two pages, 8 KiB', fixedParameters(8 * KIB)],
    ['four pages, 16 KiB', fixedParameters(16 * KIB)],
    ['by content, 16 KiB', parametersFor(16 * KIB)],
    ['by content, 1 MiB', parametersFor(MIB)],
  ] as const;
  return kinds.map(([name, chunks]) => {
    const store = new ModelStore({ chunks, frameBytes: FRAME_BYTES, level: LEVEL });
    const { first, growth, count } = nights(store, folder);
    return { chunk: name, 'first MB': mb(first), 'growth a night, MB': mb(growth / count), chunks: store.chunks };
  });
}

const whole = (): ReturnType<typeof fixedParameters> => fixedParameters(64 * KIB);

/** Microseconds to open one sealed frame of this much text and undo its compression: what reading one small file costs. */
function openingUs(sample: Buffer, level: number): number {
  const coded = new Compressor(level).compress(sample) ?? sample;
  const sealer = new Sealer(Buffer.alloc(32, 1), Buffer.alloc(33));
  const number = { part: 0, counter: 0 };
  const sealed = Buffer.concat(sealer.seal(number, [coded]));
  const rounds = 200;
  const begunMs = cpuMs();
  for (let round = 0; round < rounds; round++) decompress(sealer.open(number, sealed), sample.length);
  return ((cpuMs() - begunMs) / rounds) * 1000;
}

export function frames(small: string): Row[] {
  const contents = filesBelow(small).map((path) => readFileSync(path));
  return [16, 64, 128, 256, 512, 1024, 4096].map((kib) => {
    const store = new ModelStore({ chunks: whole(), frameBytes: kib * KIB, level: LEVEL });
    for (const content of contents) store.addFile(content);
    store.finishFrame();
    const sample = Buffer.concat(contents.slice(0, 8192)).subarray(0, kib * KIB);
    return {
      frame: `${kib} KiB`,
      'stored MB': mb(store.storedBytes),
      'compress s': (store.compressMs / 1000).toFixed(2),
      frames: store.frames,
      'open one, us': Math.round(openingUs(sample, LEVEL)),
    };
  });
}

export function levels(folders: { readonly [name: string]: string }): Row[] {
  return [1, 2, 3, 5, 7, 9, 12].map((level) => {
    const row: Record<string, string | number> = { level };
    for (const [name, folder] of Object.entries(folders)) {
      const chunks = name === 'small' ? whole() : parametersFor(16 * KIB);
      const store = new ModelStore({ chunks, frameBytes: FRAME_BYTES, level });
      store.addFolder(folder);
      row[`${name}: stored MB`] = mb(store.storedBytes);
      row[`${name}: compress s`] = (store.compressMs / 1000).toFixed(2);
    }
    return row;
  });
}

export function packs(): Row[] {
  return [4, 8, 16, 24, 32, 64].map((mib) => ({
    pack: `${mib} MiB`,
    'packs for 100 GB': Math.round(1e11 / (mib * MIB)),
    'memory in the making, 2 workers and one in flight each, MB': mb(4 * mib * MIB),
  }));
}

/** Packs of 10,000 small blobs each, as small files make them. */
export function indexSegments(): Row[] {
  const perPack = 10_000;
  const blobsPerFrame = 250;
  const pack = (): Parameters<typeof encodeIndexSegment>[0][number] => ({
    packId: randomBytes(16).toString('hex') as PackId,
    packLength: 24 * MIB,
    headerRecord: encodePackHeader({
      kind: 'data',
      frames: Array.from({ length: perPack / blobsPerFrame }, () => ({
        codec: 1,
        sealedLength: 120_016,
        codedLength: 120_000,
        blobs: Array.from({ length: blobsPerFrame }, (_, index) => ({
          blobId: blobIdAt(randomBytes(16), 0),
          length: 500 + index,
        })),
      })),
    }),
  });
  return [10_000, 50_000, 100_000, 500_000].map((blobs) => {
    const record = encodeIndexSegment(Array.from({ length: blobs / perPack }, pack));
    const coded = new Compressor(LEVEL).compress(record) ?? record;
    const begunMs = cpuMs();
    decodeIndexSegment(record, 'a segment');
    return {
      'blobs a segment': blobs,
      'segment MB': mb(coded.length),
      'bytes a blob': (coded.length / blobs).toFixed(1),
      'decode ms': (cpuMs() - begunMs).toFixed(1),
      'segments for 10 million blobs': 1e7 / blobs,
    };
  });
}

/** Ids are random bytes: what is wider is larger by that much, wherever an id stands. */
export function idWidths(small: string): Row[] {
  const store = new ModelStore({ chunks: whole(), frameBytes: FRAME_BYTES, level: LEVEL });
  store.addFolder(small);
  return [16, 20, 32].map((bytes) => {
    const more = (bytes - 16) * 3 * store.chunks;
    return {
      'id bytes': bytes,
      'repository MB': mb(store.storedBytes + more),
      'more MB': mb(more),
      'chance that two of 10^10 meet': (1e20 / 2 / 2 ** (bytes * 8)).toExponential(0),
    };
  });
}

/** The files of each folder run together before they are cut, against one blob for each file. */
export function runTogether(small: string): Row[] {
  const folders = new Map<string, string[]>();
  for (const path of filesBelow(small)) {
    const paths = folders.get(dirname(path)) ?? [];
    paths.push(path);
    folders.set(dirname(path), paths);
  }
  return (['one blob for each file', 'a folder run together'] as const).map((way) => {
    const chunks = way === 'one blob for each file' ? whole() : parametersFor(16 * KIB);
    const store = new ModelStore({ chunks, frameBytes: FRAME_BYTES, level: LEVEL });
    for (const paths of folders.values()) {
      const contents = paths.map((path) => readFileSync(path));
      if (way === 'one blob for each file') for (const content of contents) store.addFile(content);
      else store.addFile(Buffer.concat(contents));
    }
    store.finishFrame();
    return {
      way,
      'stored MB': mb(store.storedBytes),
      chunks: store.chunks,
      'average bytes of a chunk': Math.round(store.newBytes / store.chunks),
    };
  });
}
