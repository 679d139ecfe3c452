/** Who asks. */

import type { Token } from '../state/tokens.ts';
import type { User } from '../state/users.ts';
import type { Scope } from './scopes.ts';

export type Identity =
  | {
      readonly type: 'user';
      readonly user: User;
      readonly scopes: readonly Scope[];
      readonly sessionHash: Buffer;
      /** What a request that changes something has to bring in its header. */
      readonly csrfToken: string;
    }
  | { readonly type: 'token'; readonly token: Token; readonly scopes: readonly Scope[] };

/** For lists of who did what. */
export function nameOf(identity: Identity | undefined): string {
  if (identity === undefined) return 'nobody';
  return identity.type === 'user' ? identity.user.name : `token ${identity.token.name}`;
}
