/** Where file systems are mounted, bind mounts included, which have the device of what they show. */

import { readFileSync } from 'node:fs';
import { errnoCode } from '../base/errors.ts';

/** Fifth field of a line of mountinfo; spaces, tabs, newlines and backslashes in it are octal. */
const MOUNT_POINT = /^\S+ \S+ \S+ \S+ (\S+) /gm;

/** Absolute paths as latin1 text. Empty where the system does not tell. */
export function mountPoints(): ReadonlySet<string> {
  let text: string;
  try {
    text = readFileSync('/proc/self/mountinfo', 'latin1');
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    return new Set();
  }
  const paths = [...text.matchAll(MOUNT_POINT)].map(([, path = '']) =>
    path.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8))),
  );
  return new Set(paths);
}
