/** Profiles that the configuration file names for its own sources, as the flag `--profile` would. */

import type { Config } from './schema.ts';

/** Flags win: a list on the command line replaces the file's. */
export function configuredProfiles<Flags extends { readonly profile?: readonly string[] }>(
  flags: Flags,
  { profiles }: Config,
): Flags {
  return flags.profile !== undefined || profiles === undefined ? flags : { ...flags, profile: profiles };
}
