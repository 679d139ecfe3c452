/** Recognises servers by what lies in a folder. Pure: what lies where is asked of a view. */

import { joinPath, parentPath } from '../base/paths.ts';
import type { Part, Profile, Sign } from './types.ts';

export interface FolderView {
  /** What lies at an absolute path, symbolic links followed; undefined for nothing, and for all else. */
  kindOf(path: Buffer): Sign['kind'] | undefined;
  /** What a file of lines `NAME=value` sets a name to; a view without it knows none. */
  settingOf?(file: Buffer, name: string): string | undefined;
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

/** The server whose folder this is; undefined where no leading part is there. */
export function recognise(profile: Profile, folder: Buffer, view: FolderView): Recognised | undefined {
  for (const lead of leadsOf(profile)) {
    for (const place of lead.places) {
      const led = recognisePart(lead, below(folder, place), view);
      if (led === undefined) continue;
      // Where the folder is the leading part itself, the others lie beside it.
      const homes = place === '' ? [folder, parentPath(folder)] : [folder];
      const others = profile.parts.filter((part) => part !== lead).flatMap((part) => findPart(part, homes, view) ?? []);
      return { profile, folder, parts: [led, ...others] };
    }
  }
  return undefined;
}

function leadsOf({ parts, leads }: Profile): readonly Part[] {
  if (leads === undefined) return parts.slice(0, 1);
  return leads.flatMap((name) => parts.find((part) => part.name === name) ?? []);
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
  const isThere = (sign: Sign): boolean => isSeen(sign, folder, view);
  if (!part.signs.every(isThere)) return undefined;
  const { anyOf = [], anyOfMin = 1 } = part;
  const seen = anyOf.filter(isThere);
  if (anyOf.length > 0 && seen.length < anyOfMin) return undefined;
  return { part, folder, seen: [...part.signs, ...seen] };
}

export function isSeen({ path, kind, setting }: Sign, folder: Buffer, view: FolderView): boolean {
  const where = below(folder, path);
  if (!isKind(view.kindOf(where), kind)) return false;
  return setting === undefined || view.settingOf?.(where, setting) !== undefined;
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

/** Without those all of whose parts are another one's of the same profile: what a setting names was found by itself, too. */
export function withoutContained(found: readonly Recognised[]): Recognised[] {
  const keysOf = ({ parts }: Recognised): string[] =>
    parts.map(({ part, folder }) => `${part.name} ${folder.toString('latin1')}`);
  const isContained = (one: Recognised, index: number): boolean =>
    found.some((other, at) => {
      if (at === index || other.profile !== one.profile) return false;
      const keys = new Set(keysOf(other));
      if (!keysOf(one).every((key) => keys.has(key))) return false;
      return other.parts.length > one.parts.length || at < index;
    });
  return found.filter((one, index) => one.parts.length === 0 || !isContained(one, index));
}
