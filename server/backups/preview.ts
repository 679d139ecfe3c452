/** What a person is told of an upload before it is restored. */

import { type Static, Type } from 'typebox';
import { Bytes, Count, Nullable, Time } from '../schemas.ts';
import { pathView } from '../views.ts';
import type { Judgement } from './judge.ts';
import { rootsOf } from './manifest.ts';
import { isWithin } from './uncovered.ts';

export const UploadPreviewSchema = Type.Object({
  backup_id: Nullable(Type.String()),
  snapshot_id: Type.String({ description: 'In the repository that it comes from' }),
  created_at: Time,
  created_by: Nullable(Type.String()),
  host: Type.String({ description: 'Where it was made' }),
  program: Type.String(),
  includes_books: Type.Boolean(),
  includes_covers: Type.Boolean(),
  books: Nullable(Type.Integer({ minimum: 0, description: 'As the database counts them' })),
  files: Count,
  bytes: Bytes,
  databases: Type.Array(Type.Object({ path: Type.String(), bytes: Bytes })),
  places: Type.Array(
    Type.Object({
      path: Type.String({ description: 'Where it came from, and goes to without a mapping' }),
      path_base64: Type.Optional(Type.String()),
      is_known: Type.Boolean({
        description: "It lies in this server's library; else a mapping has to say where it goes",
      }),
    }),
  ),
  changes: Type.Object(
    {
      files_missing: Type.Integer({ minimum: 0, description: 'They come back' }),
      files_different: Type.Integer({ minimum: 0, description: 'Of another length or time: their content decides' }),
      files_same: Count,
      bytes_to_write: Type.Integer({ minimum: 0, description: 'At most' }),
      examples: Type.Array(Type.String()),
    },
    { description: 'Compared with what lies there now; databases go back to their moment in any case' },
  ),
});
export type UploadPreview = Static<typeof UploadPreviewSchema>;

export function uploadPreview({ manifest, changes }: Judgement, known: readonly Buffer[]): UploadPreview {
  const { backup_id, snapshot_id, created_at, created_by, host, program } = manifest;
  const { includes_books, includes_covers, books, files, bytes, databases } = manifest;
  return {
    ...{ backup_id, snapshot_id, created_at, created_by, host, program },
    ...{ includes_books, includes_covers, books, files, bytes },
    databases: databases.map((database) => ({ path: database.path, bytes: database.bytes })),
    places: rootsOf(manifest).map(({ path }) => ({
      ...pathView(path),
      is_known: known.some((folder) => isWithin(path, folder)),
    })),
    changes: { ...changes, examples: [...changes.examples] },
  };
}
