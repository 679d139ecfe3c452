/**
 * `manifest.json`, the first entry of a backup's file: what it is of, and what has to be in it. The archive's own CRC-32
 * guard each file's bytes; the manifest guards that no file is missing, added or of another length, by a digest over all
 * entries in order, and itself by a digest over its text. That is what any other repository can verify, and what a download
 * need not read every file for. It is no proof against forgery: whoever uploads is an admin.
 */

import { createHash } from 'node:crypto';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { EngineError, type Snapshot, type ZipEntry } from '../../engine/index.ts';
import { MANIFEST_BYTES_MAX, MANIFEST_FILES_MAX } from '../limits.ts';
import { Nullable } from '../schemas.ts';
import { pathView } from '../views.ts';
import { type ArchiveRoot, archiveNameOf } from './layout.ts';
import { readTags } from './tags.ts';

export const MANIFEST_NAME = 'manifest.json';
export const MANIFEST_FORMAT = 'snap-library-backup';
/** A newer one is refused. */
export const MANIFEST_VERSION = 1;

const Text = Type.String({ maxLength: 4096 });
const PlaceFields = {
  path: Text,
  path_base64: Type.Optional(Text),
  name: Text,
  name_base64: Type.Optional(Text),
} as const;
const Place = Type.Object(PlaceFields);
const Whole = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

export const ManifestSchema = Type.Object({
  format: Type.Literal(MANIFEST_FORMAT),
  version: Type.Literal(MANIFEST_VERSION),
  backup_id: Nullable(Type.String({ minLength: 1, maxLength: 200 })),
  snapshot_id: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  created_at: Type.String({ maxLength: 100, format: 'date-time' }),
  created_by: Nullable(Text),
  host: Text,
  program: Text,
  includes_books: Type.Boolean(),
  includes_covers: Type.Boolean(),
  /** As a database of the library counts them; null where none that is known does. */
  books: Nullable(Whole),
  /** Sources of the snapshot, and what they are called in the archive. */
  roots: Type.Array(Place, { minItems: 1, maxItems: 2000 }),
  databases: Type.Array(Type.Object({ ...PlaceFields, bytes: Whole, check: Text }), { maxItems: 1000 }),
  entries: Whole,
  files: Whole,
  bytes: Whole,
  /** SHA-256 over all entries behind the manifest, in order: a letter for the type, its bytes, its name, a zero byte. */
  listing_sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  /** Each file, where they are not too many, so that one that is missing can be named. */
  listing: Nullable(Type.Array(Type.Object({ name: Text, bytes: Whole }))),
});
export type Manifest = Static<typeof ManifestSchema>;

/** Counts entries as they come, in the archive's order. */
export class Listing {
  readonly #hash = createHash('sha256');
  #named: { name: string; bytes: number }[] | undefined = [];
  entries = 0;
  files = 0;
  bytes = 0;

  add({ path, type, bytes }: ZipEntry): void {
    this.#hash
      .update(`${type.charAt(0)} ${bytes} `)
      .update(path)
      .update('\0');
    this.entries++;
    if (type !== 'file') return;
    this.files++;
    this.bytes += bytes;
    this.#named?.push({ name: path.toString('utf8'), bytes });
    if (this.files > MANIFEST_FILES_MAX) this.#named = undefined;
  }

  finish(): Pick<Manifest, 'entries' | 'files' | 'bytes' | 'listing_sha256' | 'listing'> {
    const { entries, files, bytes } = this;
    return { entries, files, bytes, listing_sha256: this.#hash.digest('hex'), listing: this.#named ?? null };
  }
}

/** Tables whose rows are what people call books, the surest first. */
const BOOK_TABLES = ['libraryItems', 'books', 'Series', 'BOOK'];

function booksOf({ databases }: Snapshot): number | null {
  for (const wanted of BOOK_TABLES) {
    for (const { details } of databases) {
      const counts = details['rowCounts'];
      const rows = Array.isArray(counts) ? (counts as { table?: unknown; rows?: unknown }[]) : [];
      const found = rows.find(({ table }) => table === wanted)?.rows;
      if (typeof found === 'number') return found;
    }
  }
  return null;
}

/** Everything comes from the snapshot, so that the same backup has the same bytes wherever it is downloaded. */
export function makeManifest(snapshot: Snapshot, roots: readonly ArchiveRoot[], listing: Listing): Buffer {
  const { includes, by, name } = readTags(snapshot.tags);
  const manifest: Manifest = {
    format: MANIFEST_FORMAT,
    version: MANIFEST_VERSION,
    backup_id: name ?? null,
    snapshot_id: snapshot.id,
    created_at: new Date(snapshot.time).toISOString(),
    created_by: by ?? null,
    host: snapshot.host,
    program: snapshot.program,
    includes_books: includes.books,
    includes_covers: includes.covers,
    books: booksOf(snapshot),
    roots: roots.map(({ path, as }) => placeView(path, as)),
    databases: snapshot.databases.flatMap(({ path, kind, bytes, check }) => {
      const as = kind === 'sqlite' ? archiveNameOf(path, roots) : undefined;
      return as === undefined ? [] : [{ ...placeView(path, as), bytes, check }];
    }),
    ...listing.finish(),
  };
  return sealManifest(manifest);
}

function placeView(path: Buffer, as: Buffer): Static<typeof Place> {
  const { path: name, path_base64: nameBase64 } = pathView(as);
  return { ...pathView(path), name, ...(nameBase64 === undefined ? {} : { name_base64: nameBase64 }) };
}

/** As it lies in the archive, with a digest over itself. */
export function sealManifest(manifest: Manifest): Buffer {
  const text = JSON.stringify(manifest, undefined, 1);
  return Buffer.from(JSON.stringify({ ...manifest, sha256: digestOf(text) }, undefined, 1));
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function invalid(why: string): never {
  throw new EngineError('ARCHIVE_INVALID', `This is no backup that can be taken: ${why}`);
}

/** ARCHIVE_INVALID says what is wrong with it. */
export function readManifest(bytes: Buffer): Manifest {
  if (bytes.length > MANIFEST_BYTES_MAX) invalid(`its ${MANIFEST_NAME} has ${bytes.length} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    invalid(`its ${MANIFEST_NAME} is no JSON`);
  }
  if (typeof value !== 'object' || value === null) invalid(`its ${MANIFEST_NAME} is none`);
  const { sha256, ...manifest } = value as { readonly [field: string]: unknown };
  const { format, version } = manifest;
  if (format !== MANIFEST_FORMAT) invalid(`its ${MANIFEST_NAME} says that it is something else`);
  if (typeof version === 'number' && version > MANIFEST_VERSION) {
    invalid(`it is of version ${version}, and this program knows ${MANIFEST_VERSION}: use the newer program`);
  }
  if (!Value.Check(ManifestSchema, manifest)) {
    const [first] = Value.Errors(ManifestSchema, manifest);
    invalid(`its ${MANIFEST_NAME} is damaged: ${first?.instancePath ?? ''} ${first?.message ?? ''}`);
  }
  if (sha256 !== digestOf(JSON.stringify(manifest, undefined, 1))) {
    invalid(`its ${MANIFEST_NAME} was changed: its digest does not fit`);
  }
  return manifest;
}

/** Why what an archive holds is not what its manifest says; undefined where it is. */
export function requireListing(manifest: Manifest, listing: Listing): string | undefined {
  const found = listing.finish();
  const wanted = manifest.listing;
  if (wanted !== null && found.listing !== null) {
    const lengths = new Map(found.listing.map(({ name, bytes }) => [name, bytes]));
    for (const { name, bytes } of wanted) {
      const length = lengths.get(name);
      if (length === undefined) return `the file ${JSON.stringify(name)} is missing`;
      if (length !== bytes) return `the file ${JSON.stringify(name)} has ${length} bytes instead of ${bytes}`;
    }
    const known = new Set(wanted.map(({ name }) => name));
    const extra = found.listing.find(({ name }) => !known.has(name));
    if (extra !== undefined) return `the file ${JSON.stringify(extra.name)} is not in its manifest`;
  }
  const { entries, files, bytes } = found;
  if (entries !== manifest.entries || files !== manifest.files || bytes !== manifest.bytes) {
    return `it holds ${files} files with ${bytes} bytes, and its manifest says ${manifest.files} with ${manifest.bytes}`;
  }
  return found.listing_sha256 === manifest.listing_sha256
    ? undefined
    : 'what it holds does not fit the digest in its manifest';
}

/** Places of a manifest as bytes: the sources of the snapshot. */
export function rootsOf({ roots }: Pick<Manifest, 'roots'>): ArchiveRoot[] {
  return roots.map(({ path, path_base64: pathBase64, name, name_base64: nameBase64 }) => ({
    path: pathBase64 === undefined ? Buffer.from(path) : Buffer.from(pathBase64, 'base64'),
    as: nameBase64 === undefined ? Buffer.from(name) : Buffer.from(nameBase64, 'base64'),
  }));
}
