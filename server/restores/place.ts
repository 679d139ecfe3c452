/** Where a restore goes, if not to where it came from, and that somebody wants it: fields of several requests. */

import { Type } from 'typebox';
import { PROFILES } from '../../engine/index.ts';
import type { RestorePlace } from '../backups/restore.ts';
import { ServerError } from '../problems.ts';
import { CLOSED } from '../schemas.ts';

const AbsolutePath = Type.String({ minLength: 1, maxLength: 4096, pattern: '^/' });

export const RestorePlaceFields = {
  mappings: Type.Optional(
    Type.Array(Type.Object({ from: AbsolutePath, to: AbsolutePath }, CLOSED), {
      maxItems: 100,
      description: 'Folders that go elsewhere; what none covers goes to where it came from',
    }),
  ),
  profile: Type.Optional(
    Type.String({ maxLength: 100, description: 'Whose databases have paths in them that follow the mappings' }),
  ),
} as const;

export const Confirm = Type.Literal(true, { description: 'Somebody saw what it does and wants it' });

export function placeOf(body: {
  readonly mappings?: readonly { readonly from: string; readonly to: string }[];
  readonly profile?: string;
}): RestorePlace {
  const { mappings = [], profile } = body;
  if (profile !== undefined && !PROFILES.some(({ name }) => name === profile)) {
    throw new ServerError('REQUEST_INVALID', `There is no profile "${profile}"`);
  }
  return { mappings: mappings.map(({ from, to }) => ({ from: Buffer.from(from), to: Buffer.from(to) })), profile };
}
