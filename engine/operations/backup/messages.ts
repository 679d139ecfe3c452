/**
 * What the scan and the workers say to each other. Small files travel in packed batches, because a message costs more
 * than reading a small file; a large file travels in steps, each of which begins at a cut point of the one before.
 */

import type { StoredPack } from '../../repository/blob-writer.ts';
import type { SharedClaims } from '../../repository/run-claims.ts';

/** A directory that the sender keeps open until the task is answered. */
export interface DirectoryReference {
  readonly fd: number;
  readonly path: Uint8Array;
}

export interface BatchTask {
  readonly type: 'batch';
  readonly directories: readonly DirectoryReference[];
  /** For each file: number of its directory u16, length of its name u16, name, stat block. */
  readonly files: Uint8Array;
  readonly count: number;
}

/** What became of one file of a batch. */
export const FILE_STORED = 0;
/** Stored, but it changed each time it was read. */
export const FILE_UNSTABLE = 1;
/** Not stored: see `problems`. */
export const FILE_FAILED = 2;
/** Not stored: it is a database, to be captured. */
export const FILE_DATABASE = 3;
/** Not stored: it has grown beyond a batch file. */
export const FILE_GREW = 4;

export interface BatchResult {
  readonly type: 'batch';
  /** For each file in order: one of the codes above as u8; then, for the first two, its row. */
  readonly rows: Uint8Array;
  readonly problems: readonly FileFailure[];
}

export interface FileFailure {
  readonly file: number;
  readonly during: string;
  readonly code: string;
}

export interface StepTask {
  readonly type: 'step';
  readonly directory: DirectoryReference;
  readonly name: Uint8Array;
  /** The stat block that the file must still have. */
  readonly stat: Uint8Array;
  readonly sparse: boolean;
  /** Where to begin: 0, or the position that the step before handed on. */
  readonly position: number;
  /** Known after the first step. */
  readonly fileClass: StepClass | undefined;
  /** True to answer FILE_DATABASE for a file with a SQLite header. */
  readonly sniff: boolean;
  /** True in the last attempt: take what there is, even if the file changes meanwhile. */
  readonly lenient: boolean;
}

export interface StepClass {
  readonly name: 'pages' | 'rows' | 'small' | 'large';
  readonly pageBytes: number;
}

/** Sent as soon as the cut points of a step are known: another worker may go on from `position`. */
export interface Baton {
  readonly position: number;
  readonly fileClass: StepClass;
}

export type StepResult =
  | {
      readonly type: 'step';
      readonly outcome: 'stored';
      /** As in a row: length * 2 + hole as f64, then the id (zeros for a hole). 24 bytes an entry. */
      readonly entries: Uint8Array;
      readonly end: number;
      readonly last: boolean;
      readonly fileClass: StepClass;
    }
  | { readonly type: 'step'; readonly outcome: 'changed' }
  | { readonly type: 'step'; readonly outcome: 'database' }
  | { readonly type: 'step'; readonly outcome: 'failed'; readonly during: string; readonly code: string };

export type Task = BatchTask | StepTask;
export type TaskResult = BatchResult | StepResult;

/** What a task cost and brought, beside its result. */
export interface TaskEffects {
  /** Plaintext bytes that were new. */
  readonly bytesNew: number;
  readonly bytesRead: number;
}

/** To a worker thread. */
export type WorkerRequest =
  | { readonly type: 'task'; readonly id: number; readonly task: Task }
  | { readonly type: 'claims'; readonly claims: SharedClaims }
  | { readonly type: 'flush'; readonly id: number };

/** From a worker thread. */
export type WorkerReply =
  | { readonly type: 'ready' }
  | { readonly type: 'result'; readonly id: number; readonly result: TaskResult; readonly effects: TaskEffects }
  | { readonly type: 'baton'; readonly id: number; readonly baton: Baton }
  | { readonly type: 'flushed'; readonly id: number }
  | { readonly type: 'pack'; readonly pack: StoredPack }
  | { readonly type: 'failed'; readonly code: string; readonly message: string };
