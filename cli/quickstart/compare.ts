/** Compares two folders entry by entry and byte by byte, with nothing of the engine. */

import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';

export interface Comparison {
  readonly files: number;
  readonly bytes: number;
  /** Paths below the folders, with what differs. */
  readonly differences: readonly string[];
}

const BUFFER_BYTES = 1024 * 1024;
const DIFFERENCES_MAX = 20;

/** `isLeftOut` names paths (below the folders) that are not looked at. */
export function compareFolders(a: string, b: string, isLeftOut: (path: string) => boolean): Comparison {
  const sums = { files: 0, bytes: 0 };
  const differences: string[] = [];
  const buffers = [Buffer.alloc(BUFFER_BYTES), Buffer.alloc(BUFFER_BYTES)] as const;
  const differs = (path: string, what: string): void => {
    if (differences.length < DIFFERENCES_MAX) differences.push(`${path}: ${what}`);
  };
  const walk = (below: Buffer): void => {
    const [left, right] = [below, below].map((path, side) => join(Buffer.from(side === 0 ? a : b), path));
    if (left === undefined || right === undefined) return;
    const names = [left, right].map((folder) => readdirSync(folder, { encoding: 'buffer' }).sort(Buffer.compare));
    const wanted = names.map((list) => list.filter((name) => !isLeftOut(join(below, name).toString('utf8'))));
    const [leftNames = [], rightNames = []] = wanted;
    const there = new Set(rightNames.map((name) => name.toString('latin1')));
    for (const name of leftNames) {
      const path = join(below, name);
      if (!there.delete(name.toString('latin1'))) differs(path.toString('utf8'), 'was not restored');
      else compareEntry(path, join(left, name), join(right, name));
    }
    for (const name of there) differs(join(below, Buffer.from(name, 'latin1')).toString('utf8'), 'should not exist');
  };
  const compareEntry = (path: Buffer, left: Buffer, right: Buffer): void => {
    const text = path.toString('utf8');
    const [one, other] = [lstatSync(left, { bigint: true }), lstatSync(right, { bigint: true })];
    if (one.mode !== other.mode) differs(text, 'another type or mode');
    else if (one.isDirectory()) walk(path);
    else if (one.isSymbolicLink()) {
      if (readlinkSync(left) !== readlinkSync(right)) differs(text, 'points elsewhere');
    } else if (one.isFile()) {
      sums.files++;
      sums.bytes += Number(one.size);
      if (one.mtimeNs !== other.mtimeNs) differs(text, 'another time');
      if (one.size !== other.size || !sameBytes(left, right, buffers)) differs(text, 'other bytes');
    }
  };
  walk(Buffer.alloc(0));
  return { ...sums, differences };
}

function join(folder: Buffer, name: Buffer): Buffer {
  if (name.length === 0) return folder;
  return folder.length === 0 ? name : Buffer.concat([folder, Buffer.from('/'), name]);
}

function sameBytes(a: Buffer, b: Buffer, [one, other]: readonly [Buffer, Buffer]): boolean {
  const files = [openSync(a, 'r'), openSync(b, 'r')] as const;
  try {
    for (;;) {
      const count = readSync(files[0], one);
      if (readSync(files[1], other) !== count) return false;
      if (count === 0) return true;
      if (!one.subarray(0, count).equals(other.subarray(0, count))) return false;
    }
  } finally {
    for (const file of files) closeSync(file);
  }
}
