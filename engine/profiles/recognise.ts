/** Recognises servers by what lies in a folder. Pure: what lies where is asked of a view. */

import { joinPath, parentPath } from '../base/paths.ts';
import type { Part, Profile, Sign } from './types.ts';

export interface FolderView {
  /** What lies at an absolute path, symbolic links followed; undefined for nothing, and for all else. */
  kindOf(path: Buffer): Sign['kind'] | undefined;
}

export interface RecognisedPart {
  readonly part: Part;
  readonly folder: Buffer;
  /** Signs that were seen. */
  readonly seen: readonly Sign[];
}

export interface Recognised {
  readonly profile: Profile;
  /** Where the profile is applied: the folder that holds the leading part, or is it. */
  readonly folder: Buffer;
  readonly parts: readonly RecognisedPart[];
}

/** `folder/path`, or the folder itself. */
export function below(folder: Buffer, path: string): Buffer {
  return path === '' ? folder : joinPath(folder, Buffer.from(path));
}

/** The server whose folder this is; undefined where its leading part is not there. */
export function recognise(profile: Profile, folder: Buffer, view: FolderView): Recognised | undefined {
  const [lead, ...others] = profile.parts;
  if (lead === undefined) return undefined;
  for (const place of lead.places) {
    const led = recognisePart(lead, below(folder, place), view);
    if (led === undefined) continue;
    // Where the folder is the leading part itself, the others lie beside it.
    const homes = place === '' ? [folder, parentPath(folder)] : [folder];
    const parts = others.flatMap((part) => findPart(part, homes, view) ?? []);
    return { profile, folder, parts: [led, ...parts] };
  }
  return undefined;
}

function findPart(part: Part, homes: readonly Buffer[], view: FolderView): RecognisedPart | undefined {
  for (const home of homes) {
    for (const place of part.places) {
      const found = recognisePart(part, below(home, place), view);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

export function recognisePart(part: Part, folder: Buffer, view: FolderView): RecognisedPart | undefined {
  const isThere = ({ path, kind }: Sign): boolean => isKind(view.kindOf(below(folder, path)), kind);
  if (!part.signs.every(isThere)) return undefined;
  const { anyOf = [], anyOfMin = 1 } = part;
  const seen = anyOf.filter(isThere);
  if (anyOf.length > 0 && seen.length < anyOfMin) return undefined;
  return { part, folder, seen: [...part.signs, ...seen] };
}

function isKind(found: Sign['kind'] | undefined, wanted: Sign['kind']): boolean {
  return found === wanted || (found === 'sqlite' && wanted === 'file');
}

/** Without those that say less of the same folder than another one. */
export function withoutSuperseded(found: readonly Recognised[]): Recognised[] {
  const leads = ({ parts }: Recognised): string | undefined => parts[0]?.folder.toString('latin1');
  return found.filter(
    (one) =>
      !found.some(
        (other) => other.profile.supersedes?.includes(one.profile.name) === true && leads(other) === leads(one),
      ),
  );
}
