/** Edits what stands beside a snapshot: tags, label, pin, trust. Its record and its id stay as they are. */

import { EngineError } from '../base/errors.ts';
import type { AnnotationKind } from '../format/annotation.ts';
import type { Json } from '../format/canonical-json.ts';
import type { Annotations } from '../repository/annotations.ts';
import { HeldLease } from '../repository/leases.ts';
import type { Repository } from '../repository/repository.ts';
import type { Snapshot, SnapshotFilter } from '../repository/snapshots.ts';

export interface AnnotateOptions {
  /** Ids, unique prefixes, `latest~N` or moments. */
  readonly snapshots?: readonly string[] | undefined;
  /** Where no snapshot is named: all that fit. */
  readonly filter?: SnapshotFilter | undefined;
  /** All tags from now on; what is added and removed counts from these. */
  readonly setTags?: readonly string[] | undefined;
  readonly addTags?: readonly string[] | undefined;
  readonly removeTags?: readonly string[] | undefined;
  readonly label?: string | undefined;
  /** Retention never removes a pinned one. */
  readonly pinned?: boolean | undefined;
  /** Dispels a suspicion: the snapshot counts like any other again. */
  readonly trusted?: boolean | undefined;
}

export interface AnnotateResult {
  /** As they are now. */
  readonly changed: readonly Snapshot[];
  /** Nothing had to be changed. */
  readonly unchanged: readonly Snapshot[];
}

/**
 * Durable when it returns. SNAPSHOT_NOT_FOUND, SNAPSHOT_AMBIGUOUS, INVALID_ARGUMENT, REPOSITORY_LOCKED, STORAGE_FAILED;
 * OBJECT_CORRUPT where tags are to be added or removed and an annotation, which may hold the tags, cannot be read.
 */
export async function annotate(repository: Repository, options: AnnotateOptions): Promise<AnnotateResult> {
  requireEdit(options);
  await repository.probe();
  const lease = await HeldLease.acquire(repository, { verb: 'tag', exclusive: false });
  try {
    const annotations = await repository.snapshots.annotations();
    if (options.setTags === undefined && (options.addTags ?? options.removeTags) !== undefined)
      requireSound(annotations);
    const changed: Snapshot[] = [];
    const unchanged: Snapshot[] = [];
    for (const snapshot of await subjects(repository, options)) {
      const facts = editsOf(snapshot, options);
      for (const [kind, value] of facts) await annotations.add(repository, { kind, snapshot: snapshot.id, value });
      if (facts.length > 0) changed.push(await repository.snapshots.load(snapshot.id));
      else unchanged.push(snapshot);
    }
    return { changed, unchanged };
  } finally {
    await lease.release();
  }
}

function requireEdit(options: AnnotateOptions): void {
  const { setTags, addTags, removeTags, label, pinned, trusted } = options;
  if ([setTags, addTags, removeTags, label, pinned, trusted].every((edit) => edit === undefined)) {
    throw new EngineError('INVALID_ARGUMENT', 'Say what is to be edited: tags to add, remove or set, a label, trust');
  }
  if ([...(setTags ?? []), ...(addTags ?? []), ...(removeTags ?? [])].includes('')) {
    throw new EngineError('INVALID_ARGUMENT', 'A tag is not an empty text');
  }
}

/** Tags are one fact: adding to those that are known would lose those that cannot be read. */
function requireSound(annotations: Annotations): void {
  const [first] = annotations.damage;
  if (first === undefined) return;
  throw new EngineError(
    'OBJECT_CORRUPT',
    `Nothing was changed: ${first.object} cannot be read, and tags may stand in it. --set says what all tags are`,
    first.error,
  );
}

async function subjects(repository: Repository, options: AnnotateOptions): Promise<Snapshot[]> {
  const { snapshots: names = [], filter } = options;
  if (names.length === 0 && !narrows(filter)) {
    throw new EngineError('INVALID_ARGUMENT', 'Name the snapshots, or say which ones by host, tag, path or label');
  }
  if (names.length === 0) return repository.snapshots.list(filter);
  const found = new Map<string, Snapshot>();
  for (const name of names) {
    const snapshot = await repository.snapshots.find(name, filter);
    found.set(snapshot.id, snapshot);
  }
  return [...found.values()];
}

function narrows(filter: SnapshotFilter | undefined): boolean {
  const lists = [filter?.hosts, filter?.tags, filter?.labels, filter?.paths];
  return lists.some((list) => list !== undefined && list.length > 0);
}

function editsOf(snapshot: Snapshot, options: AnnotateOptions): [AnnotationKind, Json][] {
  const edits: [AnnotationKind, Json][] = [];
  const { setTags, addTags = [], removeTags = [], label, pinned, trusted } = options;
  const tags = [...new Set([...(setTags ?? snapshot.tags), ...addTags])].filter((tag) => !removeTags.includes(tag));
  if (tags.length !== snapshot.tags.length || tags.some((tag, index) => tag !== snapshot.tags[index]))
    edits.push(['tags', tags]);
  if (label !== undefined && label !== snapshot.label) edits.push(['label', label]);
  if (pinned !== undefined && pinned !== snapshot.pinned) edits.push(['pinned', pinned]);
  if (trusted !== undefined && snapshot.suspicion !== undefined && trusted === snapshot.suspect)
    edits.push(['trusted', trusted]);
  return edits;
}
