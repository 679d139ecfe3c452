/**
 * What a backup of some sources comes to, and by which path: links are followed where a source is named, never below. So a
 * folder that lies below a source by its name alone, behind a link, is in no snapshot, and one that is reached by
 * another name has its place in a snapshot under that.
 */

import { realpathSync, statSync } from 'node:fs';
import { errnoCode } from '../base/errors.ts';
import { isWithin } from '../base/paths.ts';

export interface Coverage {
  /** True for a path that the backup comes to; one that is not there is judged by its name. */
  covers(path: Buffer): boolean;
  /** The path by which the backup comes to what lies at a path; that path itself where it does not. */
  walked(path: Buffer): Buffer;
}

interface Source {
  readonly path: Buffer;
  /** Without links; undefined where nothing is there. */
  readonly real: Buffer | undefined;
  readonly device: bigint | undefined;
}

/** Of absolute source paths. With `oneFileSystem` nothing on another file system than its source is covered. */
export function coverageOf(
  paths: readonly Buffer[],
  options: { readonly oneFileSystem?: boolean | undefined },
): Coverage {
  const sources = paths.map((given): Source => {
    const path = withoutEndingSlashes(given);
    return { path, real: realPath(path), device: deviceOf(path) };
  });
  const find = (path: Buffer): Buffer | undefined => {
    const real = realPath(path);
    if (real === undefined) return sources.some((source) => isWithin(path, source.path)) ? path : undefined;
    const device = options.oneFileSystem === true ? deviceOf(real) : undefined;
    const found = sources
      .filter((source) => source.real !== undefined && isWithin(real, source.real))
      .filter((source) => options.oneFileSystem !== true || source.device === device)
      .map((source) => rebased(real, source));
    return found.find((one) => one.equals(path)) ?? found[0];
  };
  return { covers: (path) => find(path) !== undefined, walked: (path) => find(path) ?? path };
}

function rebased(real: Buffer, { path, real: from = path }: Source): Buffer {
  const rest = from.length === 1 ? real : real.subarray(from.length);
  if (rest.length <= 1) return path;
  return path.length === 1 ? rest : Buffer.concat([path, rest]);
}

function withoutEndingSlashes(path: Buffer): Buffer {
  let end = path.length;
  while (end > 1 && path[end - 1] === 0x2f) end--;
  return path.subarray(0, end);
}

function realPath(path: Buffer): Buffer | undefined {
  try {
    return realpathSync.native(path, 'buffer');
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    return undefined;
  }
}

function deviceOf(path: Buffer): bigint | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false })?.dev;
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    return undefined;
  }
}
