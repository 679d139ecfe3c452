/** Standard input, or a command's output, as a source. The producer's exit code decides before anything is saved. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { EngineError, type StreamSource } from '../engine/index.ts';

export function standardInput(name: string): StreamSource {
  return { stream: process.stdin, name: Buffer.from(name), succeeded: Promise.resolve() };
}

/** Runs a program without a shell; its errors go to standard error. */
export function commandSource(words: readonly string[], name: string): StreamSource {
  const [program = '', ...parameters] = words;
  const child = spawn(program, parameters, { stdio: ['ignore', 'pipe', 'inherit'] });
  const succeeded = ended(child, program);
  // It is awaited at the end of the stream; until then a failure must not count as unhandled.
  succeeded.catch(() => undefined);
  // Node throws away what nobody has begun to read when a process ends, so reading begins here.
  return { stream: child.stdout.pipe(new PassThrough()), name: Buffer.from(name), succeeded };
}

async function ended(child: ReturnType<typeof spawn>, program: string): Promise<void> {
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    if (code === 0) return;
    const how = code === null ? `was ended by ${signal}` : `ended with exit code ${code}`;
    throw new EngineError('COMMAND_FAILED', `${program} ${how}: no snapshot was made of its output`);
  } catch (error) {
    if (error instanceof EngineError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new EngineError('COMMAND_FAILED', `${program} cannot be run: ${why}`, error);
  }
}
