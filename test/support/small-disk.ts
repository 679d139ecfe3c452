/** A small file system of its own, for disks that are full or read-only. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SmallDisk {
  readonly folder: string;
  /** Mounts it again with other options: `ro`, `size=1000000` ... */
  remount(options: string): void;
}

/** Undefined where this user may not mount one. Gone when the test ends. Over a folder of its own, or over `at`. */
export function mountSmallDisk(t: { after(act: () => void): void }, bytes: number, at?: string): SmallDisk | undefined {
  if (process.platform !== 'linux' || process.geteuid?.() !== 0) return undefined;
  const folder = at ?? mkdtempSync(join(tmpdir(), 'snap-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    if (at === undefined) rmdirSync(folder);
    return undefined;
  }
  t.after(() => {
    execFileSync('umount', ['-l', folder]);
    if (at === undefined) rmdirSync(folder);
  });
  return { folder, remount: (options) => void execFileSync('mount', ['-o', `remount,${options}`, folder]) };
}
