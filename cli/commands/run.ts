/** `snap run` */

import { type Command, Option } from 'commander';
import {
  CHECK_PARTS_DEFAULT,
  type Credential,
  EngineError,
  NIGHT_EVERY_MS_DEFAULT,
  type NightOptions,
  type NightPart,
  openRepository,
  PING_RETRIES_DEFAULT,
  PING_TIMEOUT_MS_DEFAULT,
  planNight,
  preload,
  REHEARSAL_BYTES_DEFAULT,
  type Repository,
  runNight,
  type UnusedLimit,
} from '../../engine/index.ts';
import { absoluteBytes } from '../bytes.ts';
import { configuredProfiles } from '../config/configured-profiles.ts';
import { configuredServers } from '../config/database-dumps.ts';
import { defaultConfigPlaces } from '../config/find.ts';
import type { LoadedConfig } from '../config/read.ts';
import type { Config } from '../config/schema.ts';
import { sourcesOf } from '../config/settings.ts';
import { EXIT_OK } from '../exit-codes.ts';
import { HOOK_OUTPUT, hookEnvironment, hooksOf } from '../hooks.ts';
import { findCredential, type PasswordOptions } from '../password.ts';
import { type OutputOptions, ProgressView } from '../render.ts';
import { type Interruption, locationOf, newVerb, outputOf, run } from '../session.ts';
import { parsePositiveSize } from '../values.ts';
import { type BackupFlags, backupOptionsOf } from './backup.ts';
import { policyOf, type RetentionFlags } from './forget.ts';
import { nightExitCode, printNight, printNightPlan } from './run-account.ts';

interface Options extends BackupFlags, RetentionFlags {
  readonly priority?: 'idle' | 'normal';
  readonly maxUnused?: UnusedLimit;
  readonly dryRun?: boolean;
}

export function runCommand(): Command {
  return newVerb(
    'run',
    'The whole night from the configuration file: commands, backup, forget; prune, a check of one part and a rehearsed ' +
      'restore when they are due; copies; word to a health check; one summary. Two nights of a repository never overlap.',
    ['snap run --config /etc/snap/config.yaml', 'snap run --limit-read 20M --priority idle --dry-run'],
  )
    .option('--limit-read <rate>', 'the backup reads at most so many bytes a second, such as 50M', parsePositiveSize)
    .addOption(
      new Option('--priority <which>', 'idle: processor and disk serve everybody else first').choices([
        'idle',
        'normal',
      ]),
    )
    .option('-n, --dry-run', 'show what would be done now, do nothing')
    .action(run<Options>(execute));
}

async function execute(
  options: Options,
  interruption: Interruption,
  _: readonly string[],
  loaded: LoadedConfig | undefined,
): Promise<number> {
  if (loaded === undefined) {
    throw new EngineError(
      'INVALID_ARGUMENT',
      `A night needs a configuration file: give --config, or make ${defaultConfigPlaces().join(' or ')} ("snap config generate" writes one)`,
    );
  }
  const output = outputOf(options);
  const views = new PartViews(output);
  const night = nightOf(options, loaded, { interruption, views });
  if (options.dryRun === true) {
    printNightPlan(await planNight(night), night, output);
    return EXIT_OK;
  }
  interruption.bePatient();
  const result = await runNight(night).finally(() => views.done());
  const exitCode = nightExitCode(result, interruption.exitCode);
  printNight(result, { output, exitCode, location: night.location });
  return exitCode;
}

/** Shows the part that is under way. */
class PartViews {
  readonly #output: OutputOptions;
  #current: ProgressView | undefined;

  constructor(output: OutputOptions) {
    this.#output = output;
  }

  begin(part: NightPart): ProgressView {
    this.done();
    this.#current = new ProgressView(this.#output, part);
    return this.#current;
  }

  done(): void {
    this.#current?.done();
    this.#current = undefined;
  }
}

function nightOf(
  options: Options,
  { config, file }: LoadedConfig,
  { interruption, views }: { readonly interruption: Interruption; readonly views: PartViews },
): NightOptions {
  const { location, cacheDirectory } = locationOf(options);
  const sources = sourcesOf(config).map((path) => absoluteBytes(Buffer.from(path)));
  if (sources.length === 0) {
    throw new EngineError('INVALID_ARGUMENT', `${file} names no source_directories: there is nothing to back up`);
  }
  const { quiet, json } = outputOf(options);
  const policy = policyOf(options);
  const { groupBy, zone, maxUnused } = options;
  return {
    location,
    cacheDirectory,
    schedule: scheduleOf(config),
    hooks: hooksOf(config),
    hookEnvironment: hookEnvironment(),
    hookOutput: HOOK_OUTPUT,
    ping: pingOf(config),
    priority: options.priority,
    open: async () =>
      openRepository({
        location,
        cacheDirectory,
        credential: await findCredential(options),
        meanwhile: () => preload('backup'),
      }),
    copies: copiesOf(config, options, cacheDirectory),
    backup: {
      ...backupOptionsOf(configuredProfiles(configuredServers(options, config), config)),
      paths: sources,
      dryRun: false,
    },
    expectedDatabases: config.sqlite_databases?.map((path) => absoluteBytes(Buffer.from(path))),
    forget: Object.keys(policy).length === 0 ? undefined : { policy, groupBy, zone },
    prune: { maxUnused },
    rehearsalBytes: config.rehearse_bytes ?? REHEARSAL_BYTES_DEFAULT,
    monitorOf: (part) => views.begin(part),
    onPart: (part) => {
      views.done();
      if (!quiet && !json) process.stderr.write(`snap: ${part}\n`);
    },
    signal: interruption.signal,
  };
}

export function scheduleOf(config: Config): NightOptions['schedule'] {
  const interval = (every: number | 'never' | undefined): number | undefined =>
    every === 'never' ? undefined : (every ?? NIGHT_EVERY_MS_DEFAULT);
  return {
    pruneEveryMs: interval(config.prune_every),
    checkEveryMs: interval(config.check_every),
    checkParts: config.check_parts ?? CHECK_PARTS_DEFAULT,
    rehearseEveryMs: interval(config.rehearse_every),
  };
}

export function pingOf({ healthchecks }: Config): NightOptions['ping'] {
  if (healthchecks === undefined) return undefined;
  const { ping_url: url, timeout = PING_TIMEOUT_MS_DEFAULT, retries = PING_RETRIES_DEFAULT } = healthchecks;
  return { url, timeoutMs: timeout, retries };
}

function copiesOf({ copies = [] }: Config, options: Options, cacheDirectory: string): NightOptions['copies'] {
  return copies.map((copy) => ({
    location: copy.repository,
    open: async (): Promise<Repository> =>
      openRepository({ location: copy.repository, cacheDirectory, credential: await credentialOf(copy, options) }),
  }));
}

type Copy = NonNullable<Config['copies']>[number];

/** True where a password is named for this repository alone. */
export function hasOwnPassword(copy: Copy): boolean {
  return [copy.password_file, copy.password_command, copy.insecure_no_password].some((one) => one !== undefined);
}

/** What opens another repository: its own password, or the same as this one's. */
export function credentialOf(copy: Copy, options: PasswordOptions): Promise<Credential> {
  if (!hasOwnPassword(copy)) return findCredential(options);
  return findCredential({
    passwordFile: copy.password_file,
    passwordCommand: copy.password_command,
    insecureNoPassword: copy.insecure_no_password,
  });
}
