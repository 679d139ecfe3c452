/** Looks whose folders the sources are. It only reads. */

import { statSync } from 'node:fs';
import { detectServers } from '../../../engine/index.ts';
import type { LibraryPaths } from '../../backups/library.ts';
import { suggestLibrary } from '../../backups/suggest.ts';
import type { JobAnswer } from '../messages.ts';
import type { JobSurroundings } from '../surroundings.ts';

export interface DetectRequest {
  readonly sources: readonly Uint8Array[];
}

export interface DetectAnswer {
  readonly library: LibraryPaths | null;
  readonly servers: readonly {
    readonly profile: string;
    readonly title: string;
    readonly folder: string;
    readonly reasons: readonly string[];
    readonly warnings: readonly string[];
  }[];
}

export async function run({ place, signal }: JobSurroundings, { sources }: DetectRequest): Promise<JobAnswer> {
  const paths = sources.map((path) => Buffer.from(path)).filter(isFolder);
  const servers = await detectServers({ paths, cacheDirectory: place.cacheDirectory, signal });
  const result: DetectAnswer = {
    library: suggestLibrary(servers) ?? null,
    servers: servers.map(({ profile, title, folder, reasons, warnings }) => ({
      profile,
      title,
      folder: folder.toString('utf8'),
      reasons,
      warnings,
    })),
  };
  return { outcome: 'done', result };
}

/** A source that is not there now is none to look into. */
function isFolder(path: Buffer): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
