/** A file that rotted: the disk shows all that a snapshot says of it, but other bytes. Nothing real makes one on demand. */

import { lstatSync } from 'node:fs';
import type { Time } from '../../engine/base/stat.ts';
import { dir, file, type NamedEntry } from './build-repository.ts';

function timeOf(ns: bigint): Time {
  return { seconds: Number(ns / 1_000_000_000n), nanoseconds: Number(ns % 1_000_000_000n) };
}

/** The topmost folder of a path, down to the file as the disk has it now, with these bytes (as many as it has). */
export function withOtherBytes(path: string, content: string): NamedEntry {
  const { ino: inode, mtimeNs, ctimeNs, mode } = lstatSync(path, { bigint: true });
  const fields = { inode, mtime: timeOf(mtimeNs), ctime: timeOf(ctimeNs), mode: Number(mode) & 0o7777 };
  const [name = '', ...above] = path.split('/').filter(Boolean).reverse();
  let entry: NamedEntry = [name, file(content, fields)];
  for (const folder of above) entry = [folder, dir([entry])];
  return entry;
}
