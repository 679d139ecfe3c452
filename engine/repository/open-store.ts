/**
 * Store and keys of an open repository in another thread. It stands alone, because a thread loads every module that its
 * own leads to before it can begin.
 */

import type { RepositoryId } from '../base/ids.ts';
import type { BackendAddress } from '../storage/backend.ts';
import { openBackend } from '../storage/open.ts';
import { KeyMaterial, type Secrets } from './key-material.ts';
import type { Store } from './sealed-files.ts';

/** What a worker thread needs to open the same repository. Structured-cloneable. */
export interface RepositoryAddress {
  readonly backend: BackendAddress;
  readonly repositoryId: RepositoryId;
  readonly secrets: Secrets;
}

export async function openStore(address: RepositoryAddress): Promise<Store> {
  const keys = await KeyMaterial.create(address.repositoryId, address.secrets);
  return { backend: await openBackend(address.backend), keys };
}
