/** What a person chose for a restore, and what is asked of the server with it. */

import { type Overwrite, placeOf, type RestoreQuestion } from '../../api.ts';
import type { PathEntry, Snapshot } from '../../api-types.ts';

export type RestorePlaceKind = 'in place' | 'elsewhere' | 'moved';

/** `empty`: no rule at all, the other folder must hold nothing. */
export type RestoreRule = Overwrite | 'empty';

export interface RestoreChoice {
  readonly place: RestorePlaceKind;
  /** The other folder, as it is typed. */
  readonly target: string;
  /** New folders by the old ones, as they are typed; empty: where it was. */
  readonly moves: { readonly [from: string]: string };
  /** Whose databases follow; empty for none, undefined until somebody said it. */
  readonly profile: string | undefined;
  readonly rule: RestoreRule;
  readonly isRemoving: boolean;
}

const FIRST_CHOICE: RestoreChoice = {
  place: 'in place',
  target: '',
  moves: {},
  profile: undefined,
  rule: 'if-changed',
  isRemoving: false,
};

/** What the address of the page says of it: what rotted looks unchanged, and comes back only where all is written anew. */
export function firstChoice(query: URLSearchParams): RestoreChoice {
  return query.get('rule') === 'always' ? { ...FIRST_CHOICE, rule: 'always' } : FIRST_CHOICE;
}

/** In an empty folder there is nothing to remove. */
export function mayRemove({ rule }: RestoreChoice): boolean {
  return rule !== 'empty';
}

export function questionOf(
  snapshot: Pick<Snapshot, 'id' | 'paths'>,
  paths: readonly PathEntry[],
  choice: RestoreChoice,
): RestoreQuestion {
  const { rule, isRemoving } = choice;
  return {
    snapshot: snapshot.id,
    paths: paths.map(placeOf),
    ...placeQuestion(snapshot, choice),
    ...(rule === 'empty' ? {} : { overwrite: rule }),
    delete: isRemoving && mayRemove(choice),
  };
}

function placeQuestion(
  snapshot: Pick<Snapshot, 'paths'>,
  { place, target, moves, profile = '' }: RestoreChoice,
): Pick<RestoreQuestion, 'in_place' | 'target' | 'mappings' | 'profile'> {
  if (place === 'elsewhere') return { target: { path: target.trim() } };
  if (place === 'in place') return { in_place: true };
  // Of another moment, other folders may have been typed.
  const mappings = snapshot.paths.map(({ path }) => ({ from: path, to: (moves[path] ?? '').trim() }));
  const moved = mappings.filter(({ from, to }) => to !== '' && to !== from);
  return { in_place: true, mappings: moved, ...(profile === '' ? {} : { profile }) };
}

/** The same in the address of the page. */
export function pathsOf(query: URLSearchParams): readonly PathEntry[] {
  const texts = query.getAll('path').map((path) => ({ path }));
  return [...texts, ...query.getAll('path64').map((path64) => ({ path: textOf(path64), path_base64: path64 }))];
}

export function pathQuery(paths: readonly PathEntry[]): {
  readonly path: readonly string[];
  readonly path64: readonly string[];
} {
  return {
    path: paths.filter(({ path_base64 }) => path_base64 === undefined).map(({ path }) => path),
    path64: paths.map(({ path_base64 }) => path_base64).filter((path64) => path64 !== undefined),
  };
}

/** What people see of a name that is not UTF-8. */
function textOf(base64: string): string {
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)));
  } catch {
    return base64;
  }
}
