/** Names of profiles, as the configuration file may have them. */

import { PROFILES } from '../../engine/index.ts';
import { suggest } from './suggest.ts';

export function isProfileName(name: string): boolean {
  return PROFILES.some((profile) => profile.name === name);
}

/** The name that was likely meant. */
export function suggestProfile(name: string): string | undefined {
  return suggest(
    name,
    PROFILES.map((profile) => profile.name),
  );
}

/** What was expected in place of a name that is none. */
export function expectedProfile(name: string): string {
  const meant = suggestProfile(name);
  const names = PROFILES.map((profile) => profile.name).join(', ');
  return meant === undefined ? `the name of a profile (${names})` : `the name of a profile (did you mean ${meant}?)`;
}
