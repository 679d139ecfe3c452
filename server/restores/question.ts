/** What a restore of any snapshot is asked for: which moment, which paths, where to, and what becomes of what is there. */

import { type Static, Type } from 'typebox';
import {
  findEntry,
  OVERWRITE_POLICIES,
  type Repository,
  requireRestoreOptions,
  type Snapshot,
} from '../../engine/index.ts';
import { FilterQuery, filterOf } from '../filters.ts';
import type { RestoreRequest } from '../jobs/kinds/restore.ts';
import { RESTORE_PATHS_MAX, TITLE_PATH_CHARACTERS_MAX } from '../limits.ts';
import { PathQuery, requirePath } from '../paths.ts';
import { CLOSED, SnapshotName, Words } from '../schemas.ts';
import { placeOf, RestorePlaceFields } from './place.ts';

const GivenPath = Type.Object(PathQuery, CLOSED);

export const RestoreQuestionFields = {
  snapshot: SnapshotName,
  ...FilterQuery,
  paths: Type.Optional(
    Type.Array(GivenPath, {
      maxItems: RESTORE_PATHS_MAX,
      description:
        'Folders and files of the snapshot, each as path or path_base64; all of it without any. With a profile one alone, which chooses among several servers',
    }),
  ),
  in_place: Type.Optional(
    Type.Boolean({
      description: 'To where it came from, but for what a mapping covers; else all needs one, or a target',
    }),
  ),
  ...RestorePlaceFields,
  target: Type.Optional(
    Type.Unsafe<Static<typeof GivenPath>>({
      ...GivenPath,
      description:
        'Another folder: what is in the one path comes straight into it, several paths and all of a snapshot below their whole paths',
    }),
  ),
  overwrite: Type.Optional(
    Words(OVERWRITE_POLICIES, {
      description:
        'What happens to files that are there; in place if-changed, and a target has to be empty unless this is given',
    }),
  ),
  delete: Type.Optional(
    Type.Boolean({ description: 'Removes what the snapshot does not hold; a target needs overwrite with it' }),
  ),
} as const;

const RestoreQuestion = Type.Object(RestoreQuestionFields);
export type RestoreQuestion = Static<typeof RestoreQuestion>;

export interface AskedRestore {
  readonly options: RestoreRequest['options'];
  /** What of which moment, for titles. */
  readonly what: string;
  /** Not only into another folder: the commands that stand around a restore belong to it. */
  readonly isInPlace: boolean;
}

/**
 * Options of the engine, with the snapshot by its id: `latest` means something else tomorrow, when it goes on.
 * REQUEST_INVALID; INVALID_ARGUMENT for what contradicts itself, SNAPSHOT_NOT_FOUND, SNAPSHOT_AMBIGUOUS, PATH_NOT_FOUND.
 */
export async function askedRestore(repository: Repository, question: RestoreQuestion): Promise<AskedRestore> {
  const { in_place: inPlace = false, overwrite, delete: isDelete } = question;
  const paths = (question.paths ?? []).map(requirePath);
  const target = question.target === undefined ? undefined : requirePath(question.target);
  const { mappings, profile } = placeOf(question);
  const [first, ...others] = paths;
  const snapshot = await repository.snapshots.find(question.snapshot, filterOf(question));
  const options = {
    snapshot: snapshot.id,
    ...(first === undefined ? {} : others.length === 0 ? { path: first } : { paths }),
    ...(profile === undefined ? {} : { profile }),
    ...(inPlace ? { inPlace } : {}),
    ...(mappings.length === 0 ? {} : { mappings }),
    ...(target === undefined ? {} : { target }),
    ...(overwrite === undefined ? {} : { overwrite }),
    ...(isDelete === undefined ? {} : { delete: isDelete }),
  };
  requireRestoreOptions(options);
  for (const path of paths) await findEntry(repository, { snapshot: snapshot.id, path });
  return { options, what: wordsOf(paths, snapshot), isInPlace: target === undefined };
}

function wordsOf(paths: readonly Buffer[], { time }: Snapshot): string {
  const [first] = paths;
  const one = first?.toString('utf8') ?? '';
  const shown = one.length > TITLE_PATH_CHARACTERS_MAX ? `… ${one.slice(-TITLE_PATH_CHARACTERS_MAX)}` : one;
  const what = first === undefined ? 'everything' : paths.length === 1 ? shown : `${paths.length} paths`;
  const [, zone = 'UTC'] = /([+-]\d\d:\d\d)$/.exec(time) ?? [];
  return `${what} as of ${time.slice(0, 16).replace('T', ' ')} ${zone}`;
}
