/** Snapshots for tests of reading routes, taken by the engine itself in the test's process. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BackupOptions, backup, type Snapshot } from '../../engine/index.ts';
import type { ServerFixture } from './server.ts';

export async function takeSnapshot(server: ServerFixture, options: Partial<BackupOptions> = {}): Promise<Snapshot> {
  const repository = await server.server.context.repository();
  const { snapshot } = await backup(repository, { paths: server.options.sources, maxShrink: 100, ...options });
  if (snapshot === undefined) throw new Error('No snapshot was taken');
  await untilCalm(server);
  return snapshot;
}

/** What a test does in the server's own process takes its event loop, and then it refuses everybody for a moment. */
export async function untilCalm(server: ServerFixture): Promise<void> {
  while ((await server.ask(`${server.options.basePath}/healthz`)).status === 503) await sleep(100);
}

/** Writes files below the source, with the folders that they lie in. */
export function writeFiles(server: ServerFixture, files: { readonly [path: string]: string | Buffer }): void {
  for (const [path, content] of Object.entries(files)) {
    const whole = join(server.source, path);
    mkdirSync(dirname(whole), { recursive: true });
    writeFileSync(whole, content);
  }
}
