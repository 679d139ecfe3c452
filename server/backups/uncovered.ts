/** What lies in some folders and below none of the paths that are known. */

import { readdirSync } from 'node:fs';
import { UNCOVERED_FOLDERS_MAX } from '../limits.ts';

const SLASH = Buffer.from('/');

export function isWithin(path: Buffer, folder: Buffer): boolean {
  if (path.equals(folder) || folder.equals(SLASH)) return true;
  return path.length > folder.length && path[folder.length] === 0x2f && path.subarray(0, folder.length).equals(folder);
}

/** A folder that holds something known is looked into; of such folders there are few. */
export function uncoveredPaths(sources: readonly Buffer[], known: readonly Buffer[]): Buffer[] {
  const found: Buffer[] = [];
  const folders = [...sources];
  for (let looked = 0; folders.length > 0; looked++) {
    const path = folders.pop();
    if (path === undefined || known.some((one) => isWithin(path, one))) continue;
    const names =
      looked < UNCOVERED_FOLDERS_MAX && known.some((one) => isWithin(one, path)) ? namesIn(path) : undefined;
    if (names === undefined) found.push(path);
    else folders.push(...names.map((name) => joined(path, name)));
  }
  return found.sort(Buffer.compare);
}

function joined(folder: Buffer, name: Buffer): Buffer {
  return folder.equals(SLASH) ? Buffer.concat([SLASH, name]) : Buffer.concat([folder, SLASH, name]);
}

/** Undefined where it cannot be looked into: then it counts as a whole, and the backup says why. */
function namesIn(folder: Buffer): Buffer[] | undefined {
  try {
    return readdirSync(folder, { encoding: 'buffer' });
  } catch {
    return undefined;
  }
}
