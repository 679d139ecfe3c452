/** Runs the real command line as a process of its own. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { testFolder } from './build-repository.ts';

export const PROGRAM = fileURLToPath(new URL('../../cli/main.js', import.meta.url));
/** Argon2 at its cheapest. */
export const CHEAP_PASSWORD = ['--password-memory', '8K', '--password-iterations', '1'];
export const PASSWORD = 'correct horse';

export interface Run {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
}

export interface RunOptions {
  readonly env?: { readonly [name: string]: string | undefined };
  readonly cwd?: string;
  readonly stdin?: string | Buffer;
  /** Called with the process as soon as it runs. */
  readonly onStart?: (child: ChildProcess) => void;
}

/** A folder with a place for a repository, a cache and sources; gone after the test. */
export class CliFixture {
  readonly folder: string;
  readonly repository: string;
  readonly source: string;
  readonly cache: string;

  constructor(t: TestContext, parent?: string) {
    this.folder = testFolder(t, parent);
    this.repository = join(this.folder, 'repository');
    this.source = join(this.folder, 'source');
    this.cache = join(this.folder, 'cache');
  }

  /** Starts `snap` with this fixture's repository, password and cache in its environment, and nothing else of ours. */
  spawn(parameters: readonly string[], options: RunOptions = {}): ChildProcess {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('SNAP_'));
    const env = {
      ...Object.fromEntries(inherited),
      SNAP_REPOSITORY: this.repository,
      SNAP_PASSWORD: PASSWORD,
      SNAP_CACHE_DIR: this.cache,
      // Whoever runs the tests may have a configuration of their own.
      XDG_CONFIG_HOME: join(this.folder, 'configuration'),
      ...options.env,
    };
    return spawn(process.execPath, [PROGRAM, ...parameters], { env, cwd: options.cwd, stdio: 'pipe' });
  }

  async run(parameters: readonly string[], options: RunOptions = {}): Promise<Run> {
    const begunMs = performance.now();
    const child = this.spawn(parameters, options);
    const texts = { stdout: '', stderr: '' };
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      texts.stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      texts.stderr += text;
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.stdin ?? '');
    options.onStart?.(child);
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    return { code, signal, ...texts, durationMs: performance.now() - begunMs };
  }

  /** Runs, and fails the test unless the exit code is 0. */
  async ok(parameters: readonly string[], options: RunOptions = {}): Promise<Run> {
    const run = await this.run(parameters, options);
    if (run.code !== 0) throw new Error(`snap ${parameters.join(' ')}: exit code ${run.code}\n${run.stderr}`);
    return run;
  }

  /** The last line of standard output, as JSON. */
  async json(parameters: readonly string[], options: RunOptions = {}): Promise<Json> {
    const { stdout } = await this.ok([...parameters, '--json'], options);
    return lastJson(stdout);
  }

  init(): Promise<Run> {
    return this.ok(['init', ...CHEAP_PASSWORD]);
  }
}

const APPEARS_MS_MAX = 60_000;

/** Waits for a file that another process makes. */
export async function untilThere(path: string): Promise<void> {
  for (let waitedMs = 0; !existsSync(path); waitedMs += 20) {
    if (waitedMs > APPEARS_MS_MAX) throw new Error(`${path} does not appear`);
    await sleep(20);
  }
}

// biome-ignore lint/suspicious/noExplicitAny: what a program printed has no type
export type Json = any;

export function lastJson(text: string): Json {
  return JSON.parse(text.trimEnd().split('\n').at(-1) ?? '') as Json;
}

export function jsonLines(text: string): Json[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Json);
}
