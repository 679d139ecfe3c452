/** What a token may do. Whoever signs in with a password may do everything. */

export const SCOPES = ['read', 'backup', 'restore', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** What a route asks for. `public`: nothing at all. */
export type Access = Scope | 'public';

/** What a scope includes: `admin` is all, and whoever may back up or restore sees what there is. */
const INCLUDED: { readonly [scope in Scope]: readonly Scope[] } = {
  read: ['read'],
  backup: ['backup', 'read'],
  restore: ['restore', 'read'],
  admin: SCOPES,
};

export function allows(scopes: readonly Scope[], wanted: Scope): boolean {
  return scopes.some((scope) => INCLUDED[scope].includes(wanted));
}
