/** Shapes of what lies in snapshots, and of what changed between them. */

import { type Static, Type } from 'typebox';
import { CHANGE_KINDS, METADATA_FIELDS, type NodeType, VERSION_CHANGES } from '../engine/index.ts';
import { Bytes, Count, Nullable, PathEntry, PathFields, Words } from './schemas.ts';

export const NODE_TYPES = ['file', 'dir', 'symlink', 'fifo', 'socket', 'chardev', 'dev'] as const satisfies NodeType[];

const FileTime = Type.String({
  description: 'ISO 8601 with nanoseconds; @ and seconds since 1970 beyond all calendars',
});

export const EntrySchema = Type.Object({
  ...PathFields,
  type: Words(NODE_TYPES),
  size: Type.Integer({ minimum: 0, description: 'Bytes; of a folder what lies below it' }),
  files: Nullable(Type.Integer({ minimum: 0, description: 'Files below a folder' })),
  mode: Type.Integer({ description: 'As in st_mode' }),
  uid: Count,
  gid: Count,
  user: Nullable(Type.String()),
  group: Nullable(Type.String()),
  mtime: FileTime,
  ctime: FileTime,
  inode: Type.String(),
  links: Count,
  database: Type.Boolean({ description: 'A database that was captured as a whole' }),
  linktarget: Type.Optional(Type.String()),
  linktarget_base64: Type.Optional(Type.String()),
  xattrs: Type.Optional(Type.Record(Type.String(), Type.String(), { description: 'Values in base64' })),
});
export type EntryView = Static<typeof EntrySchema>;

/** As much of a snapshot as a list of many needs. */
export const SnapshotReference = Type.Object({
  id: Type.String(),
  short_id: Type.String(),
  time: Type.String(),
  host: Type.String(),
  label: Type.String(),
});

export const RangeSchema = Type.Object({
  first: SnapshotReference,
  last: SnapshotReference,
  snapshots: Type.Integer({ minimum: 1 }),
});

export const FoundSchema = Type.Object({
  entry: EntrySchema,
  ranges: Type.Array(RangeSchema, { description: 'Where it was in this state, oldest first' }),
});

export const VersionSchema = Type.Object({
  change: Words(VERSION_CHANGES),
  fields: Type.Array(Words(METADATA_FIELDS), { description: 'Metadata that differ from the version before' }),
  entry: Nullable(EntrySchema),
  ...RangeSchema.properties,
});

const ChangeSchema = Type.Object({
  event: Words(['change']),
  ...PathFields,
  type: Words(NODE_TYPES),
  type_before: Nullable(Words(NODE_TYPES)),
  change: Words(CHANGE_KINDS),
  from: Nullable(PathEntry),
  fields: Type.Array(Words(METADATA_FIELDS)),
  size_before: Nullable(Bytes),
  size_after: Nullable(Bytes),
  bytes_added: Bytes,
  bytes_removed: Bytes,
});

const TableSchema = Type.Object({
  event: Words(['table']),
  ...PathFields,
  table: Type.String(),
  change: Words(['added', 'removed', 'content']),
  rows_added: Nullable(Count),
  rows_removed: Nullable(Count),
  rows_changed: Nullable(Count),
  columns_added: Type.Array(Type.String()),
  columns_removed: Type.Array(Type.String()),
  note: Nullable(Type.String({ description: 'Why its rows cannot be compared' })),
});

const Cells = Type.Record(Type.String(), Type.Unknown(), {
  description: 'By column: text, number, null; bytes as {base64}, integers that JSON cannot hold as {integer}',
});

const RowSchema = Type.Object({
  event: Words(['row']),
  ...PathFields,
  table: Type.String(),
  change: Words(['added', 'removed', 'changed']),
  key: Cells,
  before: Nullable(Cells),
  after: Nullable(Cells),
});

const ProblemSchema = Type.Object({
  event: Words(['problem']),
  ...PathFields,
  during: Type.String(),
  code: Type.String(),
  message: Type.String(),
});

export const DiffItem = Type.Union([ChangeSchema, TableSchema, RowSchema, ProblemSchema]);
export type DiffItemView = Static<typeof DiffItem>;

export const DiffSummarySchema = Type.Object({
  counts: Type.Object(
    Object.fromEntries(CHANGE_KINDS.map((kind) => [kind, Count])) as {
      [kind in (typeof CHANGE_KINDS)[number]]: typeof Count;
    },
  ),
  bytes_added: Bytes,
  bytes_removed: Bytes,
  problems: Count,
});
