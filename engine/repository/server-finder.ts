/** Looks for servers on this disk: which profiles fit the folders that are sources, or lie a little below them. */

import { PROFILE_DEPTH_MAX, PROFILE_ENTRIES_MAX, PROFILE_FOLDERS_MAX } from '../base/limits.ts';
import { type Recognised, recognise, withoutSuperseded } from '../profiles/recognise.ts';
import type { Profile } from '../profiles/types.ts';
import type { DiskView } from './server-view.ts';

export interface SearchBounds {
  /** In all; sources themselves are always looked at. */
  readonly folders: number;
  /** Of one folder. */
  readonly entries: number;
}

const BOUNDS: SearchBounds = { folders: PROFILE_FOLDERS_MAX, entries: PROFILE_ENTRIES_MAX };

/** The servers whose folders are these, or lie a little below them; each once, outer folders first. */
export function findServers(
  paths: readonly Buffer[],
  profiles: readonly Profile[],
  options: { readonly view: DiskView; readonly bounds?: SearchBounds },
): Recognised[] {
  const { view, bounds = BOUNDS } = options;
  const found: Recognised[] = [];
  const seen = new Set<string>();
  // A source may lie in another one.
  const folders = foldersFrom(paths, view, bounds).sort((a, b) => depthOf(a) - depthOf(b));
  for (const folder of folders) {
    for (const profile of profiles) {
      const one = recognise(profile, folder, view);
      const [lead] = one?.parts ?? [];
      if (one === undefined || lead === undefined) continue;
      const key = `${profile.name} ${lead.folder.toString('latin1')}`;
      if (seen.has(key)) continue;
      seen.add(key);
      found.push(one);
    }
  }
  return withoutSuperseded(found);
}

/** The paths and the folders below them, level by level, within the bounds. */
function foldersFrom(paths: readonly Buffer[], view: DiskView, { folders: most, entries }: SearchBounds): Buffer[] {
  const found = new Map<string, Buffer>();
  let level: readonly Buffer[] = paths;
  for (let depth = 0; level.length > 0; depth++) {
    const next: Buffer[] = [];
    for (const folder of level) {
      const key = folder.toString('latin1');
      if (found.has(key)) continue;
      if (depth > 0 && found.size >= most) return [...found.values()];
      found.set(key, folder);
      // The deepest are listed, too: what they lack need not be looked for then.
      const below = view.foldersIn(folder, entries);
      if (depth < PROFILE_DEPTH_MAX) next.push(...below);
    }
    level = next;
  }
  return [...found.values()];
}

function depthOf(path: Buffer): number {
  return path.toString('latin1').split('/').length;
}
