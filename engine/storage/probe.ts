/** Finds out whether a store keeps the backend's contract, before anything is trusted to it (trap 31). */

import { randomBytes } from 'node:crypto';
import { EngineError, isEngineError } from '../base/errors.ts';
import type { Backend, StoredFile } from './backend.ts';
import { isProbeName, probeName } from './layout.ts';

const STALE_PROBE_MS = 3600_000;

/** Throws STORAGE_FAILED naming what the store does wrong. Leaves nothing behind. */
export async function probeBackend(backend: Backend): Promise<void> {
  const name = probeName(randomBytes(16));
  const bytes = randomBytes(70_001);
  const refuse = (what: string): never => {
    throw new EngineError('STORAGE_FAILED', `The store at ${backend.location} cannot hold a repository: ${what}`);
  };
  await backend.write('lock', name, [bytes.subarray(0, 13), bytes.subarray(13)]);
  try {
    if ((await backend.size('lock', name)) !== bytes.length) refuse('a file that was written has another length');
    if (!(await backend.read('lock', name)).equals(bytes)) refuse('a file that was written reads back differently');
    const part = await backend.read('lock', name, { offset: 65_000, length: 5000 });
    if (!part.equals(bytes.subarray(65_000, 70_000))) refuse('a part of a file reads back differently');
    const replaced = await backend.write('lock', name, [bytes.subarray(1)]).then(
      () => true,
      (error: unknown) => {
        if (!isEngineError(error, 'OBJECT_EXISTS')) throw error;
        return false;
      },
    );
    if (replaced) refuse('a file that exists was replaced');
    const probes: StoredFile[] = [];
    for await (const file of backend.list('lock')) if (isProbeName(file.name)) probes.push(file);
    const own = probes.find((file) => file.name === name && file.bytes === bytes.length);
    if (own === undefined) return refuse('a file that was written is not listed');
    // What a probe that was killed left, by the store's own clock.
    const stale = probes.filter((file) => own.modifiedMs - file.modifiedMs > STALE_PROBE_MS);
    for (const file of stale) await backend.remove('lock', file.name);
  } finally {
    await backend.remove('lock', name);
  }
  if ((await backend.size('lock', name)) !== undefined) refuse('a file that was removed is still there');
}
