/** What every verb starts from: global flags, the open repository, signals, and how results and errors are shown. */

import { once } from 'node:events';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { EngineError, openRepository, type Repository, type SnapshotFilter } from '../engine/index.ts';
import { absolutePath } from './bytes.ts';
import { findConfigFile } from './config/find.ts';
import type { LoadedConfig } from './config/read.ts';
import { endProcess } from './end-process.ts';
import { defaultCacheDirectory, environment } from './environment.ts';
import { EXIT_CODE_HELP, EXIT_CODES, EXIT_FAILED, EXIT_OK, EXIT_SIGINT, EXIT_SIGTERM } from './exit-codes.ts';
import { findCredential } from './password.ts';
import { type OutputOptions, printable } from './render.ts';
import { collect, parseWhen } from './values.ts';

export interface GlobalOptions {
  readonly repo?: string;
  readonly passwordFile?: string;
  readonly passwordCommand?: string;
  readonly insecureNoPassword?: boolean;
  readonly cacheDir?: string;
  readonly config?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: number;
  readonly color?: boolean;
}

/** A verb with its examples and the exit codes at the end of its help. */
export function newVerb(name: string, description: string, examples: readonly [string, string]): Command {
  return new Command(name)
    .description(description)
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', `\nExamples:\n  ${examples[0]}\n  ${examples[1]}\n\n${EXIT_CODE_HELP}`);
}

/** The flags that every verb takes, before or after its name. */
export function addGlobalOptions(program: Command): Command {
  const more = (_value: string, before: number | undefined): number => (before ?? 0) + 1;
  return program
    .option('-r, --repo <location>', 'repository: a folder (SNAP_REPOSITORY)')
    .option('--password-file <file>', 'file that holds the password (SNAP_PASSWORD_FILE)')
    .option('--password-command <command>', 'program that prints the password, run without a shell')
    .option('--insecure-no-password', 'a repository without a password')
    .option('--cache-dir <dir>', 'where derived data lies (SNAP_CACHE_DIR)')
    .option(
      '--config <file>',
      'configuration file (SNAP_CONFIG; default: snap/config.yaml in ~/.config or /etc; /dev/null: none)',
    )
    .option('--json', 'results as JSON')
    .option('-q, --quiet', 'only errors')
    .option('-v, --verbose', 'say more; twice: with stack traces', more)
    .option('--no-color', 'no colours (NO_COLOR)');
}

export function addFilterOptions(command: Command): Command {
  return command
    .option('--host <name>', 'only snapshots of this host', collect)
    .option('--tag <tag>', 'only snapshots with this tag (repeatable: all of them)', collect)
    .option('--path <path>', 'only snapshots of this source path', collect)
    .option('--label <label>', 'only snapshots with this label', collect);
}

/** The same, and `--at`, for verbs that name one snapshot. */
export function addMomentOptions(command: Command): Command {
  return addFilterOptions(command).option(
    '--at <moment>',
    'only snapshots up to then: 2026-03-01, 2026-03-01T02:00, yesterday, "3 weeks ago"',
    parseWhen,
  );
}

export interface FilterOptions {
  /** Milliseconds since 1970. */
  readonly at?: number;
  readonly host?: readonly string[];
  readonly tag?: readonly string[];
  readonly path?: readonly string[];
  readonly label?: readonly string[];
}

export function filterOf(options: FilterOptions): SnapshotFilter {
  const until = options.at === undefined ? undefined : new Date(options.at);
  const paths = options.path?.map(absolutePath);
  return { hosts: options.host, tags: options.tag, labels: options.label, paths, until };
}

export function outputOf(options: GlobalOptions): OutputOptions {
  const noColor = process.env['NO_COLOR'];
  return {
    json: options.json === true,
    quiet: options.quiet === true,
    verbosity: options.verbose ?? 0,
    color: options.color !== false && (noColor === undefined || noColor === ''),
  };
}

export function locationOf(options: GlobalOptions): { location: string; cacheDirectory: string } {
  const location = options.repo ?? environment('SNAP_REPOSITORY');
  if (location === undefined) {
    throw new EngineError(
      'INVALID_ARGUMENT',
      'No repository was named: give --repo, SNAP_REPOSITORY, or "repository" in a configuration file',
    );
  }
  return { location, cacheDirectory: cacheDirectoryOf(options) };
}

export function cacheDirectoryOf(options: GlobalOptions): string {
  return resolve(options.cacheDir ?? environment('SNAP_CACHE_DIR') ?? defaultCacheDirectory());
}

/** Opens the repository, runs `action`, closes it. `meanwhile` is called while the password's key is derived. */
export async function withRepository<T>(
  options: GlobalOptions,
  action: (repository: Repository) => Promise<T>,
  meanwhile?: () => Promise<unknown>,
): Promise<T> {
  const place = locationOf(options);
  const repository = await openRepository({ ...place, credential: await findCredential(options), meanwhile });
  try {
    return await action(repository);
  } finally {
    await repository.close();
  }
}

/** A signal ends the process within this time. */
const INTERRUPTION_MS_MAX = 900;

/** A signal more than this, and even a patient run ends. */
const PATIENT_SIGNALS_MAX = 2;

/** The signal that ends a run. A second one ends the process at once. */
export class Interruption {
  readonly #controller = new AbortController();
  #exitCode = EXIT_SIGINT;
  #signals = 0;
  #isPatient = false;

  constructor() {
    process.on('SIGINT', () => this.#received(EXIT_SIGINT));
    process.on('SIGTERM', () => this.#received(EXIT_SIGTERM));
  }

  /** From here on something must be done after the run, whatever ends it: a server that was stopped is started again. */
  bePatient(): void {
    if (this.#isPatient) return;
    this.#isPatient = true;
    // A terminal that is closed.
    process.on('SIGHUP', () => this.#received(EXIT_SIGTERM));
  }

  #received(code: number): void {
    this.#signals++;
    if (this.#signals > (this.#isPatient ? PATIENT_SIGNALS_MAX : 1)) endProcess(code);
    if (this.#signals > 1) {
      process.stderr.write('snap: Commands that must run after this one are waited for. Once more ends at once\n');
      return;
    }
    this.#exitCode = code;
    this.#controller.abort();
    if (this.#isPatient) return;
    // What is stored is in the journal by then: nothing is lost by not waiting for a slow disk.
    setTimeout(() => endProcess(code), INTERRUPTION_MS_MAX).unref();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get exitCode(): number {
    return this.#exitCode;
  }
}

export type Action<Options extends GlobalOptions> = (
  options: Options,
  interruption: Interruption,
  parameters: readonly string[],
  /** The configuration file, where there is one; options are completed from it already. */
  loaded: LoadedConfig | undefined,
) => Promise<number>;

/** Runs a verb's action and turns what it throws into a message and an exit code. */
export function run<Options extends GlobalOptions>(
  action: Action<Options>,
  { readsConfig = true }: { readonly readsConfig?: boolean } = {},
): (...received: unknown[]) => Promise<void> {
  return async (...received) => {
    const command = received.at(-1) as Command;
    let options = command.optsWithGlobals<Options>();
    const interruption = new Interruption();
    try {
      const loaded = readsConfig ? await loadedConfig(options) : undefined;
      if (loaded !== undefined) {
        const { applySettings } = await import('./config/settings.ts');
        options = applySettings(command, options, loaded);
      }
      process.exitCode = await action(options, interruption, command.args, loaded);
    } catch (error) {
      process.exitCode = showError(error, options, interruption);
    }
    // Threads and timers that are left over must not keep a finished verb waiting.
    await flushOutput();
    endProcess(Number(process.exitCode ?? EXIT_OK));
  };
}

/** A reader that has seen enough (`| head`) is no failure; results that cannot be written are one. */
export function endWithReader(): void {
  process.stdout.on('error', endAtOutput);
}

function endAtOutput(error: NodeJS.ErrnoException): never {
  if (error.code === 'EPIPE') endProcess(EXIT_OK);
  const message = `The results cannot be written to standard output: ${error.message}`;
  const line = { message_type: 'exit_error', code: EXIT_FAILED, message };
  const isJson = process.argv.includes('--json');
  process.stderr.write(isJson ? `${JSON.stringify(line)}\n` : `snap: ${printable(message)}\n`);
  endProcess(EXIT_FAILED);
}

/** Waits for all that was printed: a write that fails says so only afterwards. */
async function flushOutput(): Promise<void> {
  await new Promise<void>((done) => {
    process.stdout.write('', () => done());
  });
  const { errored } = process.stdout;
  if (errored !== null) endAtOutput(errored);
}

/** YAML and its schema are loaded by those only who have a file. */
async function loadedConfig(options: GlobalOptions): Promise<LoadedConfig | undefined> {
  const file = findConfigFile(options.config);
  return file === undefined ? undefined : (await import('./config/read.ts')).loadConfig(file);
}

export function showError(error: unknown, options: GlobalOptions, interruption: Interruption): number {
  const code = error instanceof EngineError ? error.code : 'INTERNAL';
  const exitCode = code === 'INTERRUPTED' ? interruption.exitCode : EXIT_CODES[code];
  const message = error instanceof Error ? error.message : String(error);
  if (options.json === true) {
    const line = { message_type: 'exit_error', code: exitCode, error_code: code, message };
    process.stderr.write(`${JSON.stringify(line)}\n`);
    return exitCode;
  }
  process.stderr.write(`snap: ${printable(message)}\n`);
  if ((options.verbose ?? 0) >= 2 && error instanceof Error) {
    process.stderr.write(`${error.stack ?? ''}\n${String(error.cause ?? '')}\n`);
  }
  return exitCode;
}

/** One line for each item, no faster than the reader takes them. */
export async function writeLines<T>(
  items: AsyncIterable<T>,
  render: (item: T) => string,
  signal: AbortSignal,
): Promise<void> {
  let text = '';
  for await (const item of items) {
    if (signal.aborted) throw new EngineError('INTERRUPTED', 'Interrupted before the end');
    text += `${render(item)}\n`;
    if (text.length < LINES_BUFFER_CHARACTERS) continue;
    await writeOutput(text);
    text = '';
  }
  await writeOutput(text);
}

const LINES_BUFFER_CHARACTERS = 64 * 1024;

/** Writes to standard output and waits while its reader is slower. */
export async function writeOutput(bytes: string | Buffer): Promise<void> {
  if (!process.stdout.write(bytes)) await once(process.stdout, 'drain');
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
