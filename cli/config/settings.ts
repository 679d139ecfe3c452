/** What is in force: a flag beats the environment, which beats the configuration file. */

import { hostname } from 'node:os';
import type { Command } from 'commander';
import {
  CHECK_PARTS_DEFAULT,
  COMPRESSION_LEVEL_DEFAULT,
  NIGHT_EVERY_MS_DEFAULT,
  REHEARSAL_BYTES_DEFAULT,
  SHRINK_PERCENT_DEFAULT,
} from '../../engine/index.ts';
import { defaultCacheDirectory, environment, isInEnvironment, type VariableName } from '../environment.ts';
import type { LoadedConfig } from './read.ts';
import type { Config, ConfigKey } from './schema.ts';

/** A key of the file, the flag that says the same, and the variable that does. */
export interface Setting {
  readonly key: ConfigKey;
  /** The flag's name among parsed options. */
  readonly option: string;
  /** The flag as it is typed; undefined where only the file has a word for it. */
  readonly flag?: string;
  readonly variable?: VariableName;
  /** Verbs that take it; all of them without. */
  readonly verbs?: readonly string[];
}

const WRITING = ['backup', 'run', 'serve'] as const;
const FORGETTING = ['forget', 'run', 'serve'] as const;

const KEEP_RULES = ['last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const;

const keeping = (key: ConfigKey, option: string, flag: string): Setting => ({ key, option, flag, verbs: FORGETTING });
const writing = (key: ConfigKey, option: string, flag: string, variable?: VariableName): Setting => ({
  key,
  option,
  flag,
  verbs: WRITING,
  ...(variable === undefined ? {} : { variable }),
});

export const SETTINGS: readonly Setting[] = [
  { key: 'repository', option: 'repo', flag: '--repo', variable: 'SNAP_REPOSITORY' },
  { key: 'cache_directory', option: 'cacheDir', flag: '--cache-dir', variable: 'SNAP_CACHE_DIR' },
  writing('exclude_patterns', 'exclude', '--exclude'),
  writing('iexclude_patterns', 'iexclude', '--iexclude'),
  writing('exclude_from', 'excludeFile', '--exclude-file'),
  writing('exclude_if_present', 'excludeIfPresent', '--exclude-if-present'),
  writing('exclude_caches', 'excludeCaches', '--exclude-caches'),
  writing('exclude_larger_than', 'excludeLargerThan', '--exclude-larger-than'),
  writing('one_file_system', 'oneFileSystem', '--one-file-system'),
  writing('ignore_inode', 'ignoreInode', '--ignore-inode'),
  writing('ignore_ctime', 'ignoreCtime', '--ignore-ctime'),
  writing('host', 'host', '--host', 'SNAP_HOST'),
  writing('label', 'label', '--label'),
  writing('tags', 'tag', '--tag'),
  writing('compression', 'compression', '--compression', 'SNAP_COMPRESSION'),
  writing('workers', 'workers', '--workers'),
  writing('limit_read', 'limitRead', '--limit-read'),
  writing('max_shrink', 'maxShrink', '--max-shrink'),
  writing('strict', 'strict', '--strict'),
  writing('skip_if_unchanged', 'skipIfUnchanged', '--skip-if-unchanged'),
  { key: 'priority', option: 'priority', flag: '--priority', verbs: ['run'] },
  ...KEEP_RULES.map((rule) =>
    keeping(`keep_${rule}`, `keep${rule[0]?.toUpperCase()}${rule.slice(1)}`, `--keep-${rule}`),
  ),
  keeping('keep_within', 'keepWithin', '--keep-within'),
  keeping('keep_tags', 'keepTag', '--keep-tag'),
  keeping('group_by', 'groupBy', '--group-by'),
  keeping('zone', 'zone', '--zone'),
  { key: 'max_unused', option: 'maxUnused', flag: '--max-unused', verbs: ['prune', 'run', 'serve'] },
];

/** Any of these says what opens the repository; the one of the highest rank that speaks is the only one that counts. */
const PASSWORD_OPTIONS = ['passwordFile', 'passwordCommand', 'insecureNoPassword'] as const;
export const PASSWORD_KEYS = ['password_file', 'password_command', 'insecure_no_password'] as const;
export const PASSWORD_VARIABLES = ['SNAP_PASSWORD', 'SNAP_PASSWORD_COMMAND'] as const;

interface Options {
  readonly [option: string]: unknown;
}

/** Options as they were given, completed from the file where flag and environment are silent. */
export function applySettings<Given extends object>(command: Command, options: Given, { config }: LoadedConfig): Given {
  const verb = command.name();
  const given: Options = Object.fromEntries(Object.entries(options));
  const isSilent = ({ option, variable }: Setting): boolean =>
    given[option] === undefined && (variable === undefined || !isInEnvironment(variable));
  const filled: { [option: string]: unknown } = { ...given };
  for (const setting of SETTINGS) {
    if (setting.verbs !== undefined && !setting.verbs.includes(verb)) continue;
    if (isKeepRule(setting) && !wantsPolicy(command, given)) continue;
    if (isSilent(setting) && config[setting.key] !== undefined) filled[setting.option] = config[setting.key];
  }
  Object.assign(filled, passwordOf(given, config));
  if (verb === 'backup' && isWithoutSource(command, given)) filled['configuredSources'] = sourcesOf(config);
  if (verb === 'copy' && given['to'] === undefined) Object.assign(filled, copyTargetOf(config));
  // Each option has the type that its flag's parser gives it: the schema takes the same parsers.
  return filled as Given;
}

/**
 * Folders, and databases that lie in none of them. What lies in one is captured with it: if it were a source of its own,
 * to name one more database would begin another series of snapshots.
 */
export function sourcesOf(config: Config): readonly string[] {
  const folders = config.source_directories ?? [];
  const isWithin = (path: string): boolean =>
    folders.some((folder) => path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`));
  return [...new Set([...folders, ...(config.sqlite_databases ?? []).filter((path) => !isWithin(path))])];
}

function isKeepRule({ key }: Setting): boolean {
  return key.startsWith('keep_');
}

/** Half a policy from here and half from there would be nobody's: rules of the file count together or not at all. */
function wantsPolicy(command: Command, given: Options): boolean {
  if (command.name() === 'forget' && command.args.length > 0) return false;
  return SETTINGS.every((setting) => !isKeepRule(setting) || given[setting.option] === undefined);
}

function isWithoutSource(command: Command, given: Options): boolean {
  const others = [given['filesFrom'], given['stdin'], given['stdinFromCommand']];
  return command.args.length === 0 && others.every((other) => other === undefined);
}

export function passwordOf(given: Options, config: Config): Options {
  if (PASSWORD_OPTIONS.some((option) => given[option] !== undefined)) return {};
  if (PASSWORD_VARIABLES.some(isInEnvironment)) return {};
  return {
    ...(config.insecure_no_password === undefined ? {} : { insecureNoPassword: config.insecure_no_password }),
    ...(config.password_command === undefined ? {} : { passwordCommand: config.password_command }),
    ...(config.password_file === undefined ? {} : { passwordFile: config.password_file }),
  };
}

/** Where the file names one other repository, that is the one to copy to. */
function copyTargetOf({ copies = [] }: Config): Options {
  const [only] = copies;
  if (only === undefined || copies.length > 1) return {};
  return {
    to: only.repository,
    ...(only.password_file === undefined ? {} : { toPasswordFile: only.password_file }),
    ...(only.password_command === undefined ? {} : { toPasswordCommand: only.password_command }),
    ...(only.insecure_no_password === undefined ? {} : { toInsecureNoPassword: only.insecure_no_password }),
  };
}

export interface InForce {
  readonly key: ConfigKey;
  readonly value: unknown;
  /** `flag --repo`, `environment SNAP_REPOSITORY`, `FILE:LINE`, `default`. */
  readonly source: string;
}

/** Every setting that has a value, and where it comes from. Passwords are not among the values. */
export function settingsInForce(options: Options, loaded: LoadedConfig | undefined): InForce[] {
  const fromFile = (key: ConfigKey): InForce | undefined => {
    const value = loaded?.written[key];
    if (loaded === undefined || value === undefined || value === null) return undefined;
    return { key, value, source: `${loaded.file}:${loaded.positionOf(key).line}` };
  };
  const shown = new Map<ConfigKey, InForce>();
  for (const { key, option, flag, variable } of SETTINGS) {
    const variableValue = variable === undefined ? undefined : environment(variable);
    if (flag !== undefined && options[option] !== undefined) {
      shown.set(key, { key, value: options[option], source: `flag ${flag}` });
    } else if (variable !== undefined && variableValue !== undefined) {
      shown.set(key, { key, value: variableValue, source: `environment ${variable}` });
    }
  }
  for (const one of passwordInForce(options, loaded)) shown.set(one.key, one);
  for (const key of Object.keys(loaded?.written ?? {}) as ConfigKey[]) {
    const found = fromFile(key);
    const isPassword = PASSWORD_KEYS.some((one) => one === key);
    if (found !== undefined && !isPassword && !shown.has(key)) shown.set(key, found);
  }
  for (const [key, value] of Object.entries(defaults()) as [ConfigKey, unknown][]) {
    if (!shown.has(key)) shown.set(key, { key, value, source: 'default' });
  }
  return [...shown.values()];
}

/** What holds where nobody says anything, as the file would say it. */
function defaults(): { readonly [key in ConfigKey]?: unknown } {
  return {
    cache_directory: defaultCacheDirectory(),
    host: hostname(),
    compression: COMPRESSION_LEVEL_DEFAULT,
    max_shrink: `${SHRINK_PERCENT_DEFAULT}%`,
    priority: 'normal',
    prune_every: `${NIGHT_EVERY_MS_DEFAULT / DAY_MS}d`,
    check_every: `${NIGHT_EVERY_MS_DEFAULT / DAY_MS}d`,
    check_parts: CHECK_PARTS_DEFAULT,
    rehearse_every: `${NIGHT_EVERY_MS_DEFAULT / DAY_MS}d`,
    rehearse_bytes: `${REHEARSAL_BYTES_DEFAULT / MIB}M`,
  };
}

const DAY_MS = 24 * 3600_000;
const MIB = 1024 * 1024;

function passwordInForce(options: Options, loaded: LoadedConfig | undefined): InForce[] {
  for (const [index, option] of PASSWORD_OPTIONS.entries()) {
    const key = PASSWORD_KEYS[index];
    if (options[option] === undefined || key === undefined) continue;
    return [{ key, value: options[option], source: `flag --${key.replaceAll('_', '-')}` }];
  }
  for (const variable of PASSWORD_VARIABLES) {
    if (!isInEnvironment(variable)) continue;
    const key = variable === 'SNAP_PASSWORD' ? 'password_file' : 'password_command';
    return [{ key, value: '(a secret is set)', source: `environment ${variable}` }];
  }
  if (loaded === undefined) return [];
  return PASSWORD_KEYS.filter((key) => loaded.config[key] !== undefined).map((key) => ({
    key,
    value: loaded.config[key],
    source: `${loaded.file}:${loaded.positionOf(key).line}`,
  }));
}
