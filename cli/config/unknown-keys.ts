/** Finds keys that a schema does not have, all of them: a key that is misspelt must not do nothing in silence. */

import type { ConfigPath } from './document.ts';
import { suggest } from './suggest.ts';

/** What schemas of valibot have in common, as far as keys are concerned. */
interface Shape {
  readonly entries?: { readonly [key: string]: Shape };
  readonly item?: Shape;
  readonly wrapped?: Shape;
}

export interface UnknownKey {
  readonly path: ConfigPath;
  readonly message: string;
  readonly suggestion: string | undefined;
}

const SECRETS = /^(?:(?:encryption_)?(?:password|passphrase|passwd|secret)|pass)$/i;

export function findUnknownKeys(schema: unknown, value: unknown, path: ConfigPath = []): UnknownKey[] {
  const { entries, item, wrapped } = schema as Shape;
  if (wrapped !== undefined) return findUnknownKeys(wrapped, value, path);
  if (item !== undefined) {
    if (!Array.isArray(value)) return [];
    return value.flatMap((inner, index) => findUnknownKeys(item, inner, [...path, index]));
  }
  if (entries === undefined || typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const known = Object.hasOwn(entries, key) ? entries[key] : undefined;
    if (known !== undefined) return findUnknownKeys(known, inner, [...path, key]);
    return [describe(key, [...path, key], Object.keys(entries))];
  });
}

function describe(key: string, path: ConfigPath, known: readonly string[]): UnknownKey {
  if (SECRETS.test(key)) {
    const ways = known.filter((one) => /^password_(?:file|command)$/.test(one)).join(' or ');
    const message = `"${key}" is refused: a secret never stands in this file${ways === '' ? '' : `. Use ${ways}`}`;
    return { path, message, suggestion: undefined };
  }
  const suggestion = suggest(key, known);
  const hint = suggestion === undefined ? `known here: ${known.join(', ')}` : `did you mean ${suggestion}?`;
  return { path, message: `unknown key "${key}": ${hint}`, suggestion };
}
