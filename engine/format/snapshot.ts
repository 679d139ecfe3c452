/** The snapshot record and the lease record, as canonical JSON. */

import type { Problem } from '../base/errors.ts';
import { type BlobId, parseBlobId, parseSnapshotId, type SnapshotId } from '../base/ids.ts';
import {
  bytesFromJson,
  bytesToJson,
  decodeCanonicalJson,
  encodeCanonicalJson,
  type Json,
  JsonFields,
  type JsonObject,
} from './canonical-json.ts';

const RECORD_VERSION = 1;

/** Counts of a run; names as in the command line's summary, bytes in bytes, durations in seconds. */
export interface BackupCounts {
  readonly filesNew: number;
  readonly filesChanged: number;
  readonly filesUnmodified: number;
  readonly filesDeleted: number;
  readonly filesMoved: number;
  readonly dirsNew: number;
  readonly dirsChanged: number;
  readonly dirsUnmodified: number;
  readonly totalFilesProcessed: number;
  readonly totalBytesProcessed: number;
  /** Plaintext bytes that were new to the repository. */
  readonly dataAdded: number;
  /** Bytes by which packs and index segments grew. */
  readonly dataAddedPacked: number;
  /** ISO 8601. */
  readonly backupStart: string;
  readonly backupEnd: string;
  readonly totalDuration: number;
}

/** What was captured from one database, with its checks. `path` is the live file's. */
export interface DatabaseRecord {
  readonly path: Buffer;
  readonly kind: string;
  readonly bytes: number;
  readonly check: string;
  readonly durationSeconds: number;
  /** All else that is known of it (page size, user_version, method ...), for people and for restores. */
  readonly details: JsonObject;
}

export interface SnapshotRecord {
  /** ISO 8601 with the zone's offset. */
  readonly time: string;
  /** When the run began by the clock that change times are compared with: nanoseconds since 1970. */
  readonly startedNs: bigint;
  readonly host: string;
  readonly user: string;
  readonly label: string;
  readonly tags: readonly string[];
  /** Absolute source paths. */
  readonly paths: readonly Buffer[];
  readonly parent: SnapshotId | undefined;
  readonly tree: BlobId;
  readonly mounts: readonly { readonly path: Buffer; readonly device: string }[];
  /** Names by decimal id. */
  readonly users: { readonly [uid: string]: string };
  readonly groups: { readonly [gid: string]: string };
  /** Exclude rules and options that decide what is in it. */
  readonly rules: JsonObject;
  readonly leftOut: { readonly count: number; readonly content: readonly BlobId[] };
  /** At most SNAPSHOT_PROBLEMS_MAX of problemCount. */
  readonly problems: readonly Problem[];
  readonly problemCount: number;
  readonly databases: readonly DatabaseRecord[];
  /** Why it is not to be trusted: its sources shrank too much, say. Undefined for nearly all. */
  readonly suspicion?: string | undefined;
  readonly summary: BackupCounts;
  readonly program: string;
}

export function encodeSnapshot(snapshot: SnapshotRecord): Buffer {
  return encodeCanonicalJson({
    version: RECORD_VERSION,
    time: snapshot.time,
    started: snapshot.startedNs.toString(),
    host: snapshot.host,
    user: snapshot.user,
    label: snapshot.label,
    tags: snapshot.tags,
    paths: snapshot.paths.map(bytesToJson),
    parent: snapshot.parent ?? null,
    tree: snapshot.tree.toString('hex'),
    mounts: snapshot.mounts.map((mount) => ({ path: bytesToJson(mount.path), device: mount.device })),
    users: snapshot.users,
    groups: snapshot.groups,
    rules: snapshot.rules,
    leftOut: { count: snapshot.leftOut.count, content: snapshot.leftOut.content.map((id) => id.toString('hex')) },
    problems: snapshot.problems.map((problem) => ({ ...problem })),
    problemCount: snapshot.problemCount,
    databases: snapshot.databases.map((database) => ({ ...database, path: bytesToJson(database.path) })),
    ...(snapshot.suspicion === undefined ? {} : { suspicion: snapshot.suspicion }),
    summary: { ...snapshot.summary },
    program: snapshot.program,
  });
}

export function decodeSnapshot(bytes: Buffer, what: string): SnapshotRecord {
  const fields = new JsonFields(decodeCanonicalJson(bytes, what), what);
  if (fields.number('version') !== RECORD_VERSION) fields.fail('version', String(RECORD_VERSION));
  const parent = fields.optionalText('parent');
  const leftOut = new JsonFields(fields.object('leftOut'), what);
  const blobId = (key: string, text: string): BlobId => parseBlobId(text) ?? fields.fail(key, 'a blob id');
  return {
    time: fields.text('time'),
    startedNs: BigInt(fields.text('started')),
    host: fields.text('host'),
    user: fields.text('user'),
    label: fields.text('label'),
    tags: fields.texts('tags'),
    paths: fields.array('paths').map((path) => bytesFromJson(path, what)),
    parent: parent === undefined ? undefined : (parseSnapshotId(parent) ?? fields.fail('parent', 'a snapshot id')),
    tree: blobId('tree', fields.text('tree')),
    mounts: fields.array('mounts').map((mount) => {
      const inner = new JsonFields(asObject(mount, fields, 'mounts'), what);
      return { path: bytesFromJson(inner.get('path'), what), device: inner.text('device') };
    }),
    users: fields.object('users') as { [uid: string]: string },
    groups: fields.object('groups') as { [gid: string]: string },
    rules: fields.object('rules'),
    leftOut: {
      count: leftOut.number('count'),
      content: leftOut.texts('content').map((text) => blobId('leftOut', text)),
    },
    problems: fields.array('problems').map((problem) => asObject(problem, fields, 'problems') as unknown as Problem),
    problemCount: fields.number('problemCount'),
    databases: fields
      .array('databases')
      .map((database) => decodeDatabase(asObject(database, fields, 'databases'), what)),
    suspicion: fields.optionalText('suspicion'),
    summary: fields.object('summary') as unknown as BackupCounts,
    program: fields.text('program'),
  };
}

function asObject(value: Json, fields: JsonFields, key: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return fields.fail(key, 'a list of objects');
  return value as JsonObject;
}

function decodeDatabase(object: JsonObject, what: string): DatabaseRecord {
  const fields = new JsonFields(object, what);
  return {
    path: bytesFromJson(fields.get('path'), what),
    kind: fields.text('kind'),
    bytes: fields.number('bytes'),
    check: fields.text('check'),
    durationSeconds: fields.number('durationSeconds'),
    details: fields.object('details'),
  };
}

/** Who works in the repository. Times are milliseconds since 1970. */
export interface LeaseRecord {
  /** Random; the same through all refreshes of a run. */
  readonly run: string;
  readonly host: string;
  readonly pid: number;
  /** The machine's boot id, so that a pid of before a restart is not taken for alive. */
  readonly boot: string;
  readonly startedMs: number;
  readonly refreshedMs: number;
  readonly verb: string;
  readonly exclusive: boolean;
  readonly parents: readonly SnapshotId[];
}

export function encodeLease(lease: LeaseRecord): Buffer {
  return encodeCanonicalJson({ version: RECORD_VERSION, ...lease });
}

export function decodeLease(bytes: Buffer, what: string): LeaseRecord {
  const fields = new JsonFields(decodeCanonicalJson(bytes, what), what);
  return {
    run: fields.text('run'),
    host: fields.text('host'),
    pid: fields.number('pid'),
    boot: fields.text('boot'),
    startedMs: fields.number('startedMs'),
    refreshedMs: fields.number('refreshedMs'),
    verb: fields.text('verb'),
    exclusive: fields.boolean('exclusive'),
    parents: fields.texts('parents') as SnapshotId[],
  };
}
