/** What a directory tree looks like, entry by entry, so that two of them can be compared. */

import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** One line for each entry, by path below `root` (latin1): type, mode, owner, size, mtime and content. */
export function treeState(root: string): Map<string, string> {
  const state = new Map<string, string>();
  const walk = (path: Buffer, below: string): void => {
    for (const name of readdirSync(path, { encoding: 'buffer' })) {
      const full = Buffer.concat([path, Buffer.from('/'), name]);
      const stat = lstatSync(full, { bigint: true });
      const key = `${below}${name.toString('latin1')}`;
      const facts = [stat.mode.toString(8), stat.uid, stat.gid, stat.mtimeNs];
      if (stat.isFile()) facts.push(stat.size.toString(), sha256(readFileSync(full)));
      else if (stat.isSymbolicLink()) facts.push(readlinkSync(full, 'latin1'));
      else if (!stat.isDirectory()) facts.push(stat.rdev.toString());
      state.set(key, facts.join(' '));
      if (stat.isDirectory()) walk(full, `${key}/`);
    }
  };
  walk(Buffer.from(root), '');
  return state;
}

/** Inode and change time of every file that is not a directory: what moves when something is written. */
export function touchState(root: string): Map<string, string> {
  const state = new Map<string, string>();
  const walk = (path: string): void => {
    for (const name of readdirSync(path)) {
      const full = `${path}/${name}`;
      const stat = lstatSync(full, { bigint: true });
      state.set(full, `${stat.ino} ${stat.ctimeNs}`);
      if (stat.isDirectory()) walk(full);
    }
  };
  walk(root);
  return state;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
