/**
 * Dumps of a server's databases, streamed: what there is to dump, and each dump in turn. A dump is whole only where its
 * program ended well and its last line is the one that the program writes last (trap 20).
 */

import { EngineError } from '../base/errors.ts';
import { type ClientCommand, readClient } from './client-process.ts';
import type { ServerKind } from './server-address.ts';
import type { RowCounter, TableRows } from './table-rows.ts';

/** What is known of a dump before it is taken. */
export interface DumpPlan {
  /** Of the database; undefined for what belongs to the whole server (roles). */
  readonly database: string | undefined;
  readonly fileName: string;
  readonly facts: { readonly [name: string]: string | number | boolean };
  /** Of what a person may want to know. */
  readonly notes: readonly string[];
  readonly dump: (sink: DumpSink) => Promise<DumpOutcome>;
}

export interface DumpSink {
  /** Views that are valid until it resolves. */
  readonly onPiece: (piece: Buffer) => Promise<void>;
  readonly signal: AbortSignal | undefined;
}

export interface DumpOutcome {
  readonly rowCounts: readonly TableRows[];
  readonly tables: number;
}

export interface ServerDumps {
  readonly kind: ServerKind;
  readonly serverVersion: string;
  readonly dumperVersion: string;
  readonly dumps: readonly DumpPlan[];
  /** Databases that were asked for and cannot be dumped. */
  readonly missing: readonly { readonly database: string; readonly message: string }[];
}

/** Reads along in a dump. */
export interface DumpScanner {
  readonly rows: RowCounter;
  readonly isBetweenStatements: boolean;
  feed(piece: Buffer): readonly Buffer[];
}

const TAIL_BYTES = 512;

/** Streams a dump into the sink. DATABASE_FAILED unless it is whole; INTERRUPTED. */
export async function streamDump(
  command: ClientCommand,
  sink: DumpSink,
  parts: { readonly scanner: DumpScanner; readonly lastLine: RegExp },
): Promise<DumpOutcome> {
  const { scanner, lastLine } = parts;
  let tail: Buffer = Buffer.alloc(0);
  await readClient(command, {
    signal: sink.signal,
    onPiece: async (piece) => {
      for (const bytes of scanner.feed(piece)) {
        tail = Buffer.concat([tail, bytes.subarray(Math.max(0, bytes.length - TAIL_BYTES))]);
        tail = tail.subarray(Math.max(0, tail.length - TAIL_BYTES));
        await sink.onPiece(bytes);
      }
    },
  });
  if (!scanner.isBetweenStatements || !lastLine.test(tail.toString('latin1'))) {
    const program = command.program.slice(command.program.lastIndexOf('/') + 1);
    throw new EngineError(
      'DATABASE_FAILED',
      `${program} ended with exit code 0, but its output stops before the line that it ends with: the dump is cut off`,
    );
  }
  return { rowCounts: scanner.rows.list, tables: scanner.rows.tables };
}
