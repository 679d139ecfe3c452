/**
 * Identifiers, typed by what they name, so that a BlobId where a PackId belongs does not compile.
 *
 * Blob ids live in binary (16 bytes): there are as many of them as chunks. Ids of repository files live as lower-case
 * hexadecimal text, because they are file names.
 */

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** Id of a data or tree blob: keyed BLAKE3 of its plaintext, cut to BLOB_ID_BYTES. */
export type BlobId = Branded<Buffer, 'BlobId'>;
/** Random id of a pack, equal to the salt inside it. 32 hexadecimal digits. */
export type PackId = Branded<string, 'PackId'>;
/** Keyed hash of a snapshot record. 64 hexadecimal digits. */
export type SnapshotId = Branded<string, 'SnapshotId'>;
/** Keyed hash of an index segment. 64 hexadecimal digits. */
export type IndexSegmentId = Branded<string, 'IndexSegmentId'>;
/** Keyed hash of a lease. 64 hexadecimal digits. */
export type LeaseId = Branded<string, 'LeaseId'>;
/** Random id of a key file. 32 hexadecimal digits. */
export type KeyId = Branded<string, 'KeyId'>;
/** Random id of a repository. 32 hexadecimal digits. */
export type RepositoryId = Branded<string, 'RepositoryId'>;

export const BLOB_ID_BYTES = 16;
export const PACK_ID_BYTES = 16;
export const FILE_ID_BYTES = 32;

/** Takes the first BLOB_ID_BYTES of `bytes` at `offset` as a blob id, without a copy. */
export function blobIdAt(bytes: Buffer, offset: number): BlobId {
  return bytes.subarray(offset, offset + BLOB_ID_BYTES) as BlobId;
}

/** A blob id from its hexadecimal text, or undefined where the text is none. */
export function parseBlobId(text: string): BlobId | undefined {
  return isHex(text, BLOB_ID_BYTES) ? (Buffer.from(text, 'hex') as BlobId) : undefined;
}

/** True where `text` is the lower-case hexadecimal form of `byteLength` bytes. */
export function isHex(text: string, byteLength: number): boolean {
  return text.length === byteLength * 2 && /^[0-9a-f]*$/.test(text);
}

export function parsePackId(text: string): PackId | undefined {
  return isHex(text, PACK_ID_BYTES) ? (text as PackId) : undefined;
}

export function parseSnapshotId(text: string): SnapshotId | undefined {
  return isHex(text, FILE_ID_BYTES) ? (text as SnapshotId) : undefined;
}
