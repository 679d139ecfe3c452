/**
 * Client programs of database servers, run without a shell: asked, read from, or fed. How they end decides; what they
 * say of a failure is in the error, without secrets.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, statSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, errorMessage, throwIfAborted } from '../base/errors.ts';
import { CLIENT_ANSWER_BYTES_MAX, CLIENT_MESSAGE_BYTES_MAX } from '../base/limits.ts';
import type { Environment } from './server-address.ts';

export interface ClientCommand {
  /** As findProgram gave it. */
  readonly program: string;
  /** Anyone may read them while the program runs. */
  readonly parameters: readonly string[];
  readonly environment: Environment;
  readonly secrets: readonly string[];
}

/** DATABASE_FAILED where none of the programs is there. */
export function findProgram(names: readonly string[], environment: Environment, from: string): string {
  for (const name of names) {
    for (const folder of (environment['PATH'] ?? '').split(':')) {
      const path = join(folder === '' ? '.' : folder, name);
      if (isProgram(path)) return path;
    }
  }
  throw new EngineError('DATABASE_FAILED', `There is no ${names.join(' or ')} on the PATH: install ${from}`);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** A program that runs. `ended` rejects unless it ends by itself with exit code 0. */
class RunningClient {
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
  readonly #command: ClientCommand;
  #message = Buffer.alloc(0);

  constructor(command: ClientCommand, stdin: 'ignore' | 'pipe', signal: AbortSignal | undefined) {
    throwIfAborted(signal);
    this.#command = command;
    this.child = spawn(command.program, command.parameters, {
      stdio: [stdin, 'pipe', 'pipe'],
      env: { ...command.environment },
      ...(signal === undefined ? {} : { signal, killSignal: 'SIGKILL' as const }),
    });
    this.child.stderr?.on('data', (piece: Buffer) => {
      const all = Buffer.concat([this.#message, piece]);
      this.#message = all.subarray(Math.max(0, all.length - CLIENT_MESSAGE_BYTES_MAX));
    });
    this.ended = this.#end(signal);
    // It is awaited when the program's output is over; until then a failure must not count as unhandled.
    this.ended.catch(() => undefined);
  }

  get name(): string {
    return this.#command.program.slice(this.#command.program.lastIndexOf('/') + 1);
  }

  async #end(signal: AbortSignal | undefined): Promise<void> {
    let code: number | null;
    let killed: string | null;
    try {
      [code, killed] = (await once(this.child, 'close')) as [number | null, string | null];
    } catch (error) {
      throwIfAborted(signal);
      throw new EngineError('DATABASE_FAILED', `${this.name} cannot be run: ${errorMessage(error)}`, error);
    }
    throwIfAborted(signal);
    if (code === 0) return;
    const how = code === null ? `was ended by ${killed}` : `ended with exit code ${code}`;
    const said = this.said();
    throw new EngineError('DATABASE_FAILED', `${this.name} ${how}${said === '' ? '' : `: ${said}`}`);
  }

  /** What it wrote to its standard error, in one line and without secrets. */
  said(): string {
    const text = this.#message
      .toString('utf8')
      .trim()
      .replace(/\s*\n\s*/g, ' | ');
    return this.#command.secrets.reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
  }

  async kill(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL');
    await this.ended.catch(() => undefined);
  }
}

/** What a program answers. DATABASE_FAILED; INTERRUPTED. */
export async function askClient(command: ClientCommand, signal?: AbortSignal): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  await readClient(command, {
    signal,
    onPiece: async (piece) => {
      bytes += piece.length;
      if (bytes > CLIENT_ANSWER_BYTES_MAX) {
        throw new EngineError(
          'LIMIT_EXCEEDED',
          `${command.program} answered more than ${CLIENT_ANSWER_BYTES_MAX} bytes`,
        );
      }
      pieces.push(piece);
    },
  });
  return Buffer.concat(pieces).toString('utf8');
}

/** Hands on all that a program prints. Resolves only where it ended by itself with exit code 0 (trap 20). */
export async function readClient(
  command: ClientCommand,
  options: { readonly onPiece: (piece: Buffer) => Promise<void>; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const client = new RunningClient(command, 'ignore', options.signal);
  try {
    for await (const piece of client.child.stdout ?? []) await options.onPiece(piece as Buffer);
    await client.ended;
  } catch (error) {
    throwIfAborted(options.signal);
    throw error;
  } finally {
    await client.kill();
  }
}

/** Feeds a program. Where `pieces` throws, or the program ends early, its input is cut off: it must take that for a failure. */
export async function feedClient(
  command: ClientCommand,
  pieces: AsyncIterable<Buffer>,
  signal?: AbortSignal,
): Promise<void> {
  const client = new RunningClient(command, 'pipe', signal);
  const { stdin, stdout } = client.child;
  // It says nothing that matters, but must not be kept waiting.
  stdout?.resume();
  let isOver = false;
  const over = client.ended.finally(() => {
    isOver = true;
  });
  over.catch(() => undefined);
  // A program that has ended closes its input; how it ended says why.
  stdin?.on('error', () => undefined);
  try {
    for await (const piece of pieces) {
      throwIfAborted(signal);
      if (isOver) break;
      if (stdin?.write(piece) === false) await Promise.race([once(stdin, 'drain').catch(() => undefined), over]);
    }
    if (isOver) {
      await client.ended;
      throw new EngineError('DATABASE_FAILED', `${client.name} ended before it had read everything: ${client.said()}`);
    }
    stdin?.end();
    await client.ended;
  } finally {
    await client.kill();
  }
}
