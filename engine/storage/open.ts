/** From a location or an address to a backend. */

import { realpathSync } from 'node:fs';
import { EngineError } from '../base/errors.ts';
import type { Backend, BackendAddress } from './backend.ts';
import { createLocalBackend, LocalBackend } from './local.ts';

export async function openBackend(address: BackendAddress): Promise<Backend> {
  return new LocalBackend(address.path);
}

function requireLocal(location: string): string {
  if (location === '') throw new EngineError('INVALID_ARGUMENT', 'The repository has no location: give a folder');
  if (/^[a-z0-9]+:/.test(location)) {
    throw new EngineError('INVALID_ARGUMENT', `Repositories at "${location}" are not supported yet: give a folder`);
  }
  return location;
}

/** The store at a location as people write it: the path of a folder. */
export async function openLocation(location: string): Promise<Backend> {
  return new LocalBackend(requireLocal(location));
}

/** The same for a repository that is to be made there. */
export async function createLocation(location: string): Promise<Backend> {
  return createLocalBackend(requireLocal(location));
}

/** INVALID_ARGUMENT for a path that is, or lies in, the folder of a store. `what` begins the message. */
export function refuseRepository(backend: Backend, path: Buffer, what: string): void {
  const { address } = backend;
  if (address === undefined) return;
  const [store, real] = [realPath(Buffer.from(address.path)), realPath(path)];
  if (store === undefined || real === undefined) return;
  if (!real.equals(store) && !real.subarray(0, store.length + 1).equals(Buffer.concat([store, Buffer.from('/')])))
    return;
  throw new EngineError(
    'INVALID_ARGUMENT',
    `${what} ${path.toString('utf8')} lies in the repository ${backend.location}`,
  );
}

/** Without links; of what does not exist, that of the nearest folder above it and the rest. */
function realPath(path: Buffer): Buffer | undefined {
  try {
    // Node's own realpath makes text of the bytes.
    return realpathSync.native(path, 'buffer');
  } catch {
    const slash = path.lastIndexOf(0x2f);
    if (slash <= 0) return undefined;
    const above = realPath(path.subarray(0, slash));
    return above === undefined ? undefined : Buffer.concat([above, path.subarray(slash)]);
  }
}
