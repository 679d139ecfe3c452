/** A file system of its own on which files can share their bytes (reflink). */

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const DISK_BYTES = 1024 ** 3;
const MAKERS: readonly (readonly string[])[] = [
  ['mkfs.xfs', '-q', '-m', 'reflink=1'],
  ['mkfs.btrfs', '-q'],
];

/** A reason instead of a folder where there is none to be had. Gone when the test ends. */
export function mountCloningDisk(t: { after(act: () => void): void }): { readonly folder: string } | string {
  if (process.platform !== 'linux' || process.geteuid?.() !== 0) return 'only root mounts file systems';
  const above = mkdtempSync(join(tmpdir(), 'snap-cloning-'));
  const folder = join(above, 'disk');
  let isMounted = false;
  t.after(() => {
    if (isMounted) execFileSync('umount', ['-l', folder]);
    execFileSync('rm', ['-rf', '--one-file-system', above]);
  });
  const image = join(above, 'image');
  writeFileSync(image, '');
  // Sparse: it takes as much of the disk as is written into it.
  truncateSync(image, DISK_BYTES);
  const made = MAKERS.some(([program = '', ...flags]) => spawnSync(program, [...flags, image]).status === 0);
  if (!made) return 'neither mkfs.xfs nor mkfs.btrfs is installed';
  mkdirSync(folder);
  const mounted = spawnSync('mount', ['-o', 'loop', image, folder], { encoding: 'utf8' });
  isMounted = mounted.status === 0;
  return isMounted ? { folder } : `it cannot be mounted: ${mounted.stderr.trim()}`;
}
