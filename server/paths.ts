/** Paths that a request names: text, or base64 of their bytes where these are not UTF-8. */

import { realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Type } from 'typebox';
import { PATH_CHARACTERS_MAX } from './limits.ts';
import { ServerError } from './problems.ts';

/** Query fields of a route that is about one path. */
export const PathQuery = {
  path: Type.Optional(Type.String({ maxLength: PATH_CHARACTERS_MAX, description: 'Absolute path' })),
  path_base64: Type.Optional(
    Type.String({
      maxLength: PATH_CHARACTERS_MAX,
      description: 'The bytes of the path instead of `path`, for names that are not UTF-8',
    }),
  ),
} as const;

interface GivenPath {
  readonly path?: string;
  readonly path_base64?: string;
}

const SLASH = 0x2f;
const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

/** REQUEST_INVALID for what is no absolute path, climbs, or holds a zero byte. Undefined where none is given. */
export function optionalPath({ path: text, path_base64: base64 }: GivenPath): Buffer | undefined {
  if (text === undefined && base64 === undefined) return undefined;
  if (text !== undefined && base64 !== undefined) {
    throw new ServerError('REQUEST_INVALID', 'Give path or path_base64, not both');
  }
  if (base64 !== undefined && !BASE64.test(base64))
    throw new ServerError('REQUEST_INVALID', 'path_base64 is no base64');
  const path = text === undefined ? Buffer.from(base64 ?? '', 'base64') : Buffer.from(text);
  if (path[0] !== SLASH || path.includes(0)) {
    throw new ServerError('REQUEST_INVALID', 'A path is absolute: it begins with a slash, and holds no zero byte');
  }
  const names = path
    .toString('latin1')
    .split('/')
    .filter((name) => name !== '');
  if (names.includes('.') || names.includes('..')) {
    throw new ServerError('REQUEST_INVALID', 'A path goes straight to what it names, without "." and ".."');
  }
  return Buffer.from(`/${names.join('/')}`, 'latin1');
}

/** The same where there must be one. */
export function requirePath(given: GivenPath): Buffer {
  const path = optionalPath(given);
  if (path === undefined) throw new ServerError('REQUEST_INVALID', 'Say which path: path or path_base64');
  return path;
}

/** True for the folder itself, too. */
function isWithin(path: Buffer, folder: Buffer): boolean {
  if (folder.length === 1 || path.equals(folder)) return true;
  return path[folder.length] === SLASH && path.subarray(0, folder.length).equals(folder);
}

/**
 * REQUEST_INVALID for a path of the disk that leads out of the sources, over links as well: whoever may read backups may
 * not look around on the machine.
 */
export async function requireInSources(path: Buffer, sources: readonly Buffer[]): Promise<void> {
  if (sources.some((source) => isWithin(source, path))) return;
  const source = sources.find((one) => isWithin(path, one));
  if (source !== undefined && (await leadsInto(path, source))) return;
  throw new ServerError(
    'REQUEST_INVALID',
    'The snapshot was not made of this path: it cannot be compared with the disk',
  );
}

async function leadsInto(path: Buffer, source: Buffer): Promise<boolean> {
  try {
    const above = Buffer.from(dirname(path.toString('latin1')), 'latin1');
    const [real, realSource] = await Promise.all([above, source].map((one) => realpath(one, 'buffer')));
    return real !== undefined && realSource !== undefined && isWithin(real, realSource);
  } catch {
    // It is no longer there: nothing is looked at.
    return true;
  }
}
