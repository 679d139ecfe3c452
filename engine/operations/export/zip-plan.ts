/**
 * A zip as a decision: what goes into it and how long it is. Nothing of any file is read for it, and of its entries a place
 * in many is kept, from which reading begins in the middle (zip-read.ts).
 */

import { ByteWriter } from '../../base/bytes.ts';
import { EngineError } from '../../base/errors.ts';
import { ZIP_LEFT_OUT_TOLD_MAX, ZIP_PLACE_ENTRIES } from '../../base/limits.ts';
import { pathSortKey } from '../../base/paths.ts';
import { encodeZipEnd } from '../../format/archive-zip.ts';
import type { Repository } from '../../repository/repository.ts';
import type { PlanZipOptions, ZipLeftOut, ZipPlace, ZipPlan } from './options.ts';
import { ZIP_START, ZipItems, type ZipParts } from './zip-items.ts';

/** Part of a plan's id: raised whenever the same trees would give other bytes. */
const LAYOUT_VERSION = 1;

/**
 * Plans a zip of parts of a snapshot: every entry is stored as it is, in the order of files, roots, and names, so that the
 * same snapshot and options give the same bytes. Modes, owners' numbers and times are those of the snapshot; fifos, sockets
 * and devices, and what has too long a name, are left out and named. SNAPSHOT_NOT_FOUND, PATH_NOT_FOUND; INVALID_ARGUMENT for
 * names that lead out of the archive or into each other; OBJECT_CORRUPT and OBJECT_MISSING for trees that cannot be read;
 * INTERRUPTED after the signal.
 *
 * @example
 * const as = Buffer.from('books');
 * const plan = await planZip(repository, { snapshot: 'latest', roots: [{ path: Buffer.from('/srv/audiobooks'), as }] });
 * for await (const piece of readZip(repository, plan, { start: 1000 })) send(piece);
 */
export async function planZip(repository: Repository, options: PlanZipOptions): Promise<ZipPlan> {
  const { roots, files = [], signal } = options;
  checkNames(roots, files);
  const snapshot = await repository.snapshots.find(options.snapshot, options.filter);
  await repository.loadIndex();
  const leftOut: ZipLeftOut[] = [];
  let leftOutCount = 0;
  const items = new ZipItems({
    repository,
    snapshot,
    roots,
    files,
    onLeftOut: (path, why) => {
      leftOutCount++;
      if (leftOut.length < ZIP_LEFT_OUT_TOLD_MAX) leftOut.push({ path, why });
    },
    signal,
  });
  const counts = { files: 0, directories: 0, symlinks: 0, bytes: 0 };
  const places: ZipPlace[] = [ZIP_START];
  let entries = 0;
  let end = ZIP_START;
  for await (const { entry, bytes, next } of items.from(ZIP_START)) {
    if (entry.type === 'dir') counts.directories++;
    else if (entry.type === 'symlink') counts.symlinks++;
    else {
      counts.files++;
      counts.bytes += bytes.data;
    }
    end = next;
    if (++entries % ZIP_PLACE_ENTRIES === 0) places.push(next);
  }
  const directory = { entries, offset: end.offset, bytes: end.centralOffset };
  return {
    snapshot,
    roots,
    files,
    id: repository.keys.contentTag(partsOf({ snapshot, roots, files })),
    length: directory.offset + directory.bytes + encodeZipEnd(directory).length,
    counts,
    leftOut,
    leftOutCount,
    directory,
    places,
  };
}

/** Every byte of the archive follows from these. */
function partsOf({ snapshot, roots, files }: ZipParts): Buffer {
  const writer = new ByteWriter(1024);
  writer.raw(Buffer.from('zip'));
  writer.u8(LAYOUT_VERSION);
  writer.counted(Buffer.from(snapshot.id));
  writer.varint(files.length);
  for (const { as, content } of files) {
    writer.counted(as);
    writer.counted(content);
  }
  for (const { path, as } of roots) {
    writer.counted(path);
    writer.counted(as);
  }
  return writer.finish();
}

/** No two things may get one name, and none may lead out of the folder into which somebody unpacks. */
function checkNames(roots: PlanZipOptions['roots'], files: NonNullable<PlanZipOptions['files']>): void {
  const isAlone = roots.length === 1 && files.length === 0;
  for (const [at, { as }] of [...files, ...roots].entries()) {
    if (isPlainName(as) || (as.length === 0 && at >= files.length && isAlone)) continue;
    const what = as.length === 0 ? 'The root of an archive that has more in it' : `"${as.toString('utf8')}"`;
    throw new EngineError('INVALID_ARGUMENT', `${what} is no name for something in an archive`);
  }
  // What lies in a folder stands right behind it.
  const keys = [...files, ...roots].map(({ as }) => `${pathSortKey(as)}\0`).sort();
  const clash = keys.find((key, at) => keys[at + 1]?.startsWith(key));
  if (clash === undefined) return;
  const name = Buffer.from(clash.slice(0, -1).replaceAll('\0', '/'), 'latin1').toString('utf8');
  throw new EngineError('INVALID_ARGUMENT', `More than one thing would be, or lie in, "${name}" of the archive`);
}

function isPlainName(as: Buffer): boolean {
  if (as.length === 0 || as.includes(0)) return false;
  const parts = as.toString('latin1').split('/');
  return parts.every((part) => part !== '' && part !== '.' && part !== '..');
}
