/** Which snapshots a request is about. */

import { Type } from 'typebox';
import type { SnapshotFilter } from '../engine/index.ts';
import { FILTER_VALUES_MAX, PATH_CHARACTERS_MAX, TAG_CHARACTERS_MAX } from './limits.ts';
import { ServerError } from './problems.ts';

const Word = Type.String({ minLength: 1, maxLength: TAG_CHARACTERS_MAX });
const Words = Type.Array(Word, { maxItems: FILTER_VALUES_MAX });

/** Query fields; each that is given must fit. */
export const FilterQuery = {
  host: Type.Optional(Words),
  label: Type.Optional(Words),
  tag: Type.Optional(Type.Array(Word, { maxItems: FILTER_VALUES_MAX, description: 'A snapshot carries all of them' })),
  source: Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: PATH_CHARACTERS_MAX }), {
      maxItems: FILTER_VALUES_MAX,
      description: 'Paths that a snapshot was made of, all of them',
    }),
  ),
  until: Type.Optional(Type.String({ format: 'date-time', description: 'Snapshots of this moment or before it' })),
} as const;

interface GivenFilter {
  readonly host?: string[];
  readonly label?: string[];
  readonly tag?: string[];
  readonly source?: string[];
  readonly until?: string;
}

export function filterOf({ host, label, tag, source, until }: GivenFilter): SnapshotFilter {
  return {
    hosts: host,
    labels: label,
    tags: tag,
    paths: source?.map((path) => Buffer.from(path)),
    until: until === undefined ? undefined : new Date(momentOf(until)),
  };
}

/** Milliseconds since 1970. REQUEST_INVALID for a date that no calendar has. */
export function momentOf(text: string): number {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new ServerError('REQUEST_INVALID', `"${text}" is no moment: give ISO 8601 with a zone`);
  return ms;
}
