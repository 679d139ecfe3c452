/** From a location or an address to a backend. */

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
