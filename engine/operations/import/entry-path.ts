/** Names in archives, which anybody may have made, as places in a tree (traps 11 and 33). Pure. */

import { DIRECTORY_DEPTH_MAX, NAME_BYTES_MAX } from '../../base/limits.ts';

export type EntryPlace =
  | { readonly names: readonly Buffer[]; readonly wasAbsolute: boolean }
  | { readonly refused: string };

/** The names that lead to an entry; none for the root. A path never leads upwards: such ones are refused. */
export function entryPlace(path: Buffer): EntryPlace {
  if (path.length === 0) return { refused: 'its name is empty' };
  if (path.includes(0)) return { refused: 'its name holds a zero byte' };
  const names: Buffer[] = [];
  for (const part of path.toString('latin1').split('/')) {
    if (part === '..') return { refused: 'its name leads upwards (..)' };
    if (part === '' || part === '.') continue;
    if (part.length > NAME_BYTES_MAX) return { refused: `a part of its name is longer than ${NAME_BYTES_MAX} bytes` };
    names.push(Buffer.from(part, 'latin1'));
  }
  if (names.length > DIRECTORY_DEPTH_MAX) return { refused: `it lies more than ${DIRECTORY_DEPTH_MAX} folders deep` };
  return { names, wasAbsolute: path[0] === 0x2f };
}

const ZERO = Buffer.from([0]);

/** Key of a place in ScratchRows. */
export function keyOf(names: readonly Buffer[]): Buffer {
  return Buffer.concat(names.flatMap((name, index) => (index === 0 ? [name] : [ZERO, name])));
}

export function namesOf(key: Buffer): Buffer[] {
  return key
    .toString('latin1')
    .split('\0')
    .map((part) => Buffer.from(part, 'latin1'));
}

export function pathOf(names: readonly Buffer[]): Buffer {
  return Buffer.from(`/${names.map((name) => name.toString('latin1')).join('/')}`, 'latin1');
}
