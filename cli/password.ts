/** Where a password comes from: a file, a command, the environment, or a prompt on a terminal. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { type Credential, EngineError } from '../engine/index.ts';
import { environment, environmentBytes, firstLine, isInEnvironment } from './environment.ts';

export interface PasswordOptions {
  readonly passwordFile?: string | undefined;
  readonly passwordCommand?: string | undefined;
  readonly insecureNoPassword?: boolean | undefined;
}

/** What has to be changed where the password changes. */
export interface PasswordOrigin {
  readonly type: 'file' | 'variable' | 'command' | 'prompt' | 'none';
  /** Of the file or the variable. Of a command nothing is told: its words may hold secrets. */
  readonly name: string | undefined;
}

function readPasswordFile(path: string): Buffer {
  try {
    return firstLine(readFileSync(path));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new EngineError('PASSWORD_MISSING', `The password file cannot be read: ${why}`, error);
  }
}

/** Words as a shell would split them, quotes respected; no shell is run. */
export function splitWords(command: string): string[] {
  const words: string[] = [];
  for (const match of command.matchAll(/(?:[^\s"']|"[^"]*"|'[^']*')+/g)) words.push(match[0].replace(/["']/g, ''));
  return words;
}

function runPasswordCommand(command: string): Buffer {
  const [program, ...parameters] = splitWords(command);
  if (program === undefined) throw new EngineError('PASSWORD_MISSING', 'The password command is empty');
  const run = spawnSync(program, parameters, { stdio: ['inherit', 'pipe', 'inherit'] });
  if (run.error !== undefined || run.status !== 0) {
    const why = run.error?.message ?? `exit code ${run.status}`;
    throw new EngineError('PASSWORD_MISSING', `The password command failed: ${why}`);
  }
  return firstLine(run.stdout);
}

async function prompt(question: string): Promise<Buffer> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true });
  // From here on the terminal shows nothing that is typed, so that a quick answer does not show either.
  process.stderr.write(question);
  try {
    const answer = await new Promise<string>((resolve, reject) => {
      lines.question('', resolve);
      lines.once('SIGINT', () => reject(new EngineError('INTERRUPTED', 'Interrupted at the password')));
      lines.once('close', () => reject(new EngineError('PASSWORD_MISSING', 'No password was typed')));
    });
    return Buffer.from(answer, 'utf8');
  } finally {
    lines.close();
    process.stderr.write('\n');
  }
}

/** Where the password of this call comes from, in the order in which places are asked; a prompt is the last one. */
export function passwordOriginOf(options: PasswordOptions): PasswordOrigin {
  const of = (type: PasswordOrigin['type'], name?: string): PasswordOrigin => ({ type, name });
  if (options.insecureNoPassword === true) return of('none');
  if (options.passwordFile !== undefined) return of('file', resolve(options.passwordFile));
  if (options.passwordCommand !== undefined) return of('command');
  if (isInEnvironment('SNAP_PASSWORD')) {
    const isDirect = (process.env['SNAP_PASSWORD'] ?? '') !== '';
    return isDirect ? of('variable', 'SNAP_PASSWORD') : of('file', resolve(process.env['SNAP_PASSWORD_FILE'] ?? ''));
  }
  return of(isInEnvironment('SNAP_PASSWORD_COMMAND') ? 'command' : 'prompt');
}

/** `twice` asks again at a prompt, for a new password. */
export async function findCredential(options: PasswordOptions, twice = false): Promise<Credential> {
  if (options.insecureNoPassword === true) return { type: 'none' };
  const password = findPassword(options);
  if (password !== undefined) return { type: 'password', password };
  if (process.stdin.isTTY !== true) {
    throw new EngineError(
      'PASSWORD_MISSING',
      'No password: give --password-file, --password-command, SNAP_PASSWORD or SNAP_PASSWORD_FILE (or --insecure-no-password)',
    );
  }
  return { type: 'password', password: twice ? await promptTwice() : await prompt('Password: ') };
}

/** A password that is to be added: from a file or a prompt, never from what opens the repository now. */
export async function findNewCredential(options: PasswordOptions): Promise<Credential> {
  if (options.insecureNoPassword === true) return { type: 'none' };
  if (options.passwordFile !== undefined) return { type: 'password', password: readPasswordFile(options.passwordFile) };
  if (process.stdin.isTTY !== true) {
    throw new EngineError(
      'PASSWORD_MISSING',
      'No new password: give --new-password-file (or --new-insecure-no-password)',
    );
  }
  return { type: 'password', password: await promptTwice() };
}

async function promptTwice(): Promise<Buffer> {
  const typed = await prompt('New password: ');
  if ((await prompt('Once more: ')).equals(typed)) return typed;
  throw new EngineError('PASSWORD_MISSING', 'The two passwords differ; nothing was changed');
}

function findPassword(options: PasswordOptions): Buffer | undefined {
  if (options.passwordFile !== undefined) return readPasswordFile(options.passwordFile);
  if (options.passwordCommand !== undefined) return runPasswordCommand(options.passwordCommand);
  const direct = environmentBytes('SNAP_PASSWORD');
  if (direct !== undefined) return direct;
  const command = environment('SNAP_PASSWORD_COMMAND');
  return command === undefined ? undefined : runPasswordCommand(command);
}
