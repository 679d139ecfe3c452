/** Archives made entry by entry, as nobody's program would make them. */

import { crc32, deflateRawSync } from 'node:zlib';
import type { ArchiveEntry } from '../../engine/format/archive-entry.ts';
import {
  encodeZipCentral,
  encodeZipEnd,
  encodeZipLocal,
  ZIP_METHOD_STORED,
  type ZipData,
} from '../../engine/format/archive-zip.ts';

/** An entry of an archive that a test makes up. */
export type Given = Partial<Omit<ArchiveEntry, 'path'>> & {
  readonly path: string | Buffer;
  readonly data?: string | Buffer;
};

export function entry(given: Given): ArchiveEntry {
  const { path, data, ...rest } = given;
  return {
    type: 'file',
    mode: 0o644,
    uid: 1,
    gid: 1,
    user: undefined,
    group: undefined,
    size: Buffer.from((data ?? '') as string).length,
    mtime: { seconds: 1_600_000_000, nanoseconds: 0 },
    linkTarget: undefined,
    device: undefined,
    attributes: [],
    regions: undefined,
    ...rest,
    path: Buffer.from(path as string),
  };
}

/** What is not as it should be. */
export interface ZipChange {
  readonly data?: Partial<ZipData>;
  readonly localName?: string;
  /** The entry whose bytes it takes for its own. */
  readonly at?: number;
}

/** Deflated, unless a change names another method. */
export function zip(entries: readonly (Given & { readonly change?: ZipChange })[]): Buffer {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  const offsets: number[] = [];
  let offset = 0;
  for (const given of entries) {
    const { change, ...rest } = given;
    const one = entry(rest);
    const plain =
      one.type === 'symlink' ? (one.linkTarget ?? Buffer.alloc(0)) : Buffer.from((given.data ?? '') as string);
    const coded = change?.data?.method === ZIP_METHOD_STORED ? plain : deflateRawSync(plain);
    const data = {
      method: 8,
      crc32: crc32(plain),
      compressedBytes: coded.length,
      bytes: plain.length,
      ...change?.data,
    };
    offsets.push(offset);
    const place = change?.at === undefined ? offset : (offsets[change.at] ?? 0);
    centrals.push(encodeZipCentral(one, data, { offset: place, hasDescriptor: false }));
    if (change?.at !== undefined) continue;
    const name = change?.localName === undefined ? one.path : Buffer.from(change.localName);
    const local = Buffer.concat([encodeZipLocal({ ...one, path: name }, data.method, data), coded]);
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(centrals);
  return Buffer.concat([
    ...locals,
    directory,
    encodeZipEnd({ entries: entries.length, offset, bytes: directory.length }),
  ]);
}
