/** What a restore into a database server is asked for, and what it says of itself. */

import type { ServerAddress } from './server-address.ts';

export interface DatabaseTarget {
  readonly address: ServerAddress;
  readonly database: string;
  /** What the snapshot recorded of the database: its encoding or character set. */
  readonly facts: { readonly [name: string]: unknown };
  readonly signal: AbortSignal | undefined;
  /** A sentence that a person may want to read. */
  readonly onNote: (text: string) => void;
}

export interface DatabaseState {
  readonly exists: boolean;
  /** Tables, views, sequences and functions that it holds. */
  readonly objects: number;
}
