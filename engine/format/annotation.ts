/** The annotation record: a small fact that is added to a snapshot, or to the repository, after it was made. */

import { parseSnapshotId, type SnapshotId } from '../base/ids.ts';
import { decodeCanonicalJson, encodeCanonicalJson, type Json, JsonFields } from './canonical-json.ts';

const RECORD_VERSION = 1;

/**
 * `tags`: all tags from now on. `label`: a text. `pinned`: retention never removes it. `trusted`: a suspect one that is
 * right after all. `forgotten`: not listed, and removed by prune; `false` brings it back. `retention`: the policy that
 * was applied last, of the whole repository.
 */
export const ANNOTATION_KINDS = ['tags', 'label', 'pinned', 'trusted', 'forgotten', 'retention'] as const;
export type AnnotationKind = (typeof ANNOTATION_KINDS)[number];

export interface AnnotationRecord {
  /** One of ANNOTATION_KINDS, or one that a later version added: it is kept and ignored. */
  readonly kind: string;
  /** What it is about; undefined for the repository. */
  readonly snapshot: SnapshotId | undefined;
  /** Milliseconds since 1970, later than every older one of its kind and subject: the newest wins. */
  readonly atMs: number;
  readonly host: string;
  readonly value: Json;
}

export function encodeAnnotation(annotation: AnnotationRecord): Buffer {
  const { kind, snapshot, atMs, host, value } = annotation;
  return encodeCanonicalJson({ version: RECORD_VERSION, kind, snapshot: snapshot ?? null, at: atMs, host, value });
}

export function decodeAnnotation(bytes: Buffer, what: string): AnnotationRecord {
  const fields = new JsonFields(decodeCanonicalJson(bytes, what), what);
  if (fields.number('version') !== RECORD_VERSION) fields.fail('version', String(RECORD_VERSION));
  const snapshot = fields.optionalText('snapshot');
  return {
    kind: fields.text('kind'),
    snapshot:
      snapshot === undefined ? undefined : (parseSnapshotId(snapshot) ?? fields.fail('snapshot', 'a snapshot id')),
    atMs: fields.number('at'),
    host: fields.text('host'),
    value: fields.get('value') ?? null,
  };
}
