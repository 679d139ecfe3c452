/** Where a page ends and the next one begins, as text that clients hand back. */

import { type Static, type TSchema, Type } from 'typebox';
import { Value } from 'typebox/value';
import { CURSOR_CHARACTERS_MAX, PAGE_ITEMS_DEFAULT } from './limits.ts';
import { ServerError } from './problems.ts';

const Numbered = Type.Object({ at: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }) });

export function encodeCursor(place: object): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

/** REQUEST_INVALID for one that this route never gave. */
export function decodeCursor<Schema extends TSchema>(cursor: string, schema: Schema): Static<Schema> {
  try {
    const place: unknown = JSON.parse(Buffer.from(cursor.slice(0, CURSOR_CHARACTERS_MAX), 'base64url').toString());
    if (Value.Check(schema, place)) return place as Static<Schema>;
  } catch {
    // It is refused like any other one.
  }
  throw new ServerError('REQUEST_INVALID', 'The cursor is none of this list: begin with its first page');
}

export interface PageQuestion {
  readonly cursor?: string;
  readonly limit?: number;
}

/** A page of a list that is at hand as a whole. */
export function pageOf<Item>(
  all: readonly Item[],
  { cursor, limit = PAGE_ITEMS_DEFAULT }: PageQuestion,
): { readonly items: readonly Item[]; readonly next_cursor: string | null } {
  const { at } = cursor === undefined ? { at: 0 } : decodeCursor(cursor, Numbered);
  const end = at + limit;
  return { items: all.slice(at, end), next_cursor: end < all.length ? encodeCursor({ at: end }) : null };
}
