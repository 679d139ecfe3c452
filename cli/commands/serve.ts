/** `snap serve` */

import { once } from 'node:events';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { type Credential, EngineError, type UnusedLimit } from '../../engine/index.ts';
import type { LogOptions, ServeOptions } from '../../server/index.ts';
import { absoluteBytes, absolutePath } from '../bytes.ts';
import { configuredProfiles } from '../config/configured-profiles.ts';
import { configuredServers } from '../config/database-dumps.ts';
import type { LoadedConfig } from '../config/read.ts';
import type { Config } from '../config/schema.ts';
import { sourcesOf } from '../config/settings.ts';
import { defaultStateDirectory, environment } from '../environment.ts';
import { hookEnvironment, hooksOf } from '../hooks.ts';
import { findCredential, passwordOriginOf } from '../password.ts';
import { type Interruption, locationOf, newVerb, outputOf, run } from '../session.ts';
import { collect, type ListenAddress, parseBasePath, parseListen } from '../values.ts';
import { type BackupFlags, backupOptionsOf } from './backup.ts';
import { policyOf, type RetentionFlags } from './forget.ts';
import { credentialOf, hasOwnPassword, pingOf, scheduleOf } from './run.ts';

interface Options extends BackupFlags, RetentionFlags {
  readonly listen?: ListenAddress;
  readonly basePath?: string;
  readonly state?: string;
  readonly trustProxy?: readonly string[];
  readonly setupLink?: boolean;
  readonly maxUnused?: UnusedLimit;
}

/** This machine alone, unless told otherwise. */
const LISTEN_DEFAULT: ListenAddress = { host: '127.0.0.1', port: 8480 };
const CRON_DEFAULT = '0 2 * * *';

export function serveCommand(): Command {
  return newVerb(
    'serve',
    'HTTP API, web page and scheduler for one repository, until it is ended. The log says where it listens and, at the ' +
      'first start, by which link the first admin is made.',
    ['snap serve /srv/audiobooks /srv/config', 'snap serve --listen 0.0.0.0:8480 --state /var/lib/snap'],
  )
    .argument('[paths...]', 'folders and files that it backs up (default: those of the configuration file)')
    .option('--listen <host:port>', 'where it listens (SNAP_LISTEN; default: 127.0.0.1:8480)', parseListen)
    .option('--base-path <path>', 'where it lies behind a proxy, such as /snap', parseBasePath)
    .option('--state <dir>', 'folder of users, tokens and settings (SNAP_STATE_DIR; default: snap in ~/.local/state)')
    .option('--trust-proxy <address>', 'believe X-Forwarded headers of this address or network (repeatable)', collect)
    .option('--setup-link', 'make a setup link although there are users: for a lost password')
    .action(run<Options>(execute));
}

async function execute(
  options: Options,
  interruption: Interruption,
  parameters: readonly string[],
  loaded: LoadedConfig | undefined,
): Promise<number> {
  const serving = await optionsOf(options, parameters, loaded);
  const { serve } = await import('../../server/index.ts');
  // A job that runs is told to stop, and commands after it still run.
  interruption.bePatient();
  const server = await serve(serving);
  const { signal } = interruption;
  if (!signal.aborted) await once(signal, 'abort');
  await server.close();
  return interruption.exitCode;
}

async function optionsOf(
  options: Options,
  parameters: readonly string[],
  loaded: LoadedConfig | undefined,
): Promise<ServeOptions> {
  const { server, ...config } = loaded?.config ?? {};
  const policy = policyOf(options);
  const { groupBy, zone } = options;
  const credential = await findCredential(options);
  const listen = options.listen ?? listenOfEnvironment() ?? server?.listen ?? LISTEN_DEFAULT;
  const state = options.state ?? environment('SNAP_STATE_DIR') ?? server?.state_directory ?? defaultStateDirectory();
  const sources =
    parameters.length > 0
      ? parameters.map(absolutePath)
      : sourcesOf(config).map((path) => absoluteBytes(Buffer.from(path)));
  return {
    ...locationOf(options),
    credential,
    passwordOrigin: passwordOriginOf(options),
    listen,
    basePath: options.basePath ?? server?.base_path ?? '',
    trustedProxies: options.trustProxy ?? server?.trusted_proxies ?? [],
    stateDirectory: resolve(state),
    sources,
    backup: backupOptionsOf(configuredProfiles(configuredServers(options, config), config)),
    hooks: hooksOf(config),
    hookEnvironment: hookEnvironment(),
    retention: Object.keys(policy).length === 0 ? undefined : { policy, groupBy, zone },
    night: await nightOf(options, config, credential),
    scheduleDefaults: { cron: CRON_DEFAULT, zone: zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone },
    setupLink: options.setupLink === true,
    log: logOf(options),
  };
}

/** Passwords of other repositories are asked for once, now that somebody may be there to answer. */
async function nightOf(options: Options, config: Config, credential: Credential): Promise<ServeOptions['night']> {
  const copies = (config.copies ?? []).map(async (copy) => ({
    location: copy.repository,
    credential: hasOwnPassword(copy) ? await credentialOf(copy, options) : credential,
  }));
  return {
    schedule: scheduleOf(config),
    prune: { maxUnused: options.maxUnused },
    priority: config.priority,
    ping: pingOf(config),
    rehearsalBytes: config.rehearse_bytes,
    copies: await Promise.all(copies),
    expectedDatabases: (config.sqlite_databases ?? []).map((path) => absoluteBytes(Buffer.from(path))),
  };
}

function listenOfEnvironment(): ListenAddress | undefined {
  const text = environment('SNAP_LISTEN');
  if (text === undefined) return undefined;
  try {
    return parseListen(text);
  } catch {
    throw new EngineError('INVALID_ARGUMENT', `SNAP_LISTEN is an address such as 127.0.0.1:8480, not "${text}"`);
  }
}

/** Everything it says goes to standard error: lines for people on a terminal, JSON where programs read. */
function logOf(options: Options): LogOptions {
  const { json, quiet, verbosity } = outputOf(options);
  return {
    level: quiet ? 'warn' : verbosity > 0 ? 'debug' : 'info',
    format: process.stderr.isTTY === true && !json ? 'text' : 'json',
    write: (line) => process.stderr.write(line),
  };
}
