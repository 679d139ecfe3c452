/** Every profile there is. */

import { EngineError } from '../base/errors.ts';
import { AUDIOBOOKSHELF } from './audiobookshelf.ts';
import { BOOKLORE } from './booklore.ts';
import { CALIBRE } from './calibre.ts';
import { CALIBRE_WEB } from './calibre-web.ts';
import { CALIBRE_WEB_AUTOMATED } from './calibre-web-automated.ts';
import { GENERIC } from './generic.ts';
import { IMMICH } from './immich.ts';
import { JELLYFIN } from './jellyfin.ts';
import { KAVITA } from './kavita.ts';
import { KOMGA } from './komga.ts';
import { PAPERLESS } from './paperless.ts';
import type { Profile } from './types.ts';

export const PROFILES: readonly Profile[] = [
  AUDIOBOOKSHELF,
  CALIBRE,
  CALIBRE_WEB,
  CALIBRE_WEB_AUTOMATED,
  KAVITA,
  KOMGA,
  JELLYFIN,
  IMMICH,
  BOOKLORE,
  PAPERLESS,
  GENERIC,
];

/** INVALID_ARGUMENT, with the names there are, for another one. */
export function profileNamed(name: string): Profile {
  const found = PROFILES.find((profile) => profile.name === name);
  if (found !== undefined) return found;
  const names = PROFILES.map((profile) => profile.name).join(', ');
  throw new EngineError('INVALID_ARGUMENT', `There is no profile "${name}": there are ${names}`);
}
