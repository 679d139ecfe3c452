/** How far a long operation is. The engine tells; doors render. Calls are cheap and never throw. */

import type { Problem } from './errors.ts';

export interface Progress {
  /** Entries and bytes seen so far, and expected in all where that is known. */
  readonly filesDone: number;
  readonly bytesDone: number;
  readonly filesTotal: number | undefined;
  readonly bytesTotal: number | undefined;
  /** Plaintext bytes that were new to the repository (backup) or written (restore). */
  readonly bytesNew: number;
  readonly problems: number;
  readonly currentPath: string | undefined;
}

/** An object of the repository that is not what it must be. */
export interface Damage {
  /** `packs/ID`, `index/ID` ... */
  readonly object: string;
  /** OBJECT_MISSING or OBJECT_CORRUPT. */
  readonly code: string;
  readonly message: string;
}

export interface Monitor {
  /** Called at most every PROGRESS_INTERVAL_MS. */
  progress?(progress: Progress): void;
  /** Called once for each problem as it is found. */
  problem?(problem: Problem): void;
  /** Called for each object of the repository that is damaged or missing, and was met on the way. */
  damage?(damage: Damage): void;
  /** A sentence a person may want to read: a database was recognised, a run goes on where one stopped. */
  note?(text: string): void;
}
