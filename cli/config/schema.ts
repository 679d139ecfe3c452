/** What a configuration file may hold. Keys follow borgmatic's where it has one. */

import * as v from 'valibot';
import { HOOK_POINTS } from '../../engine/index.ts';
import {
  parseBasePath,
  parseCompression,
  parseGroupBy,
  parseListen,
  parsePercent,
  parseRetentionCount,
  parseUnused,
} from '../values.ts';
import { expectedProfile, isProfileName } from './profile-names.ts';
import {
  absolutePath,
  absolutePaths,
  databaseAddress,
  duration,
  every,
  flag,
  location,
  parsed,
  rate,
  size,
  text,
  texts,
  webAddress,
  wholeNumber,
} from './values.ts';

const count = parsed('a whole number, or unlimited', parseRetentionCount);
const point = v.picklist(HOOK_POINTS, `one of ${HOOK_POINTS.join(', ')}`);

const profile = v.pipe(
  text,
  v.check(isProfileName, ({ input }) => expectedProfile(input)),
);

const password = {
  password_file: v.optional(absolutePath),
  password_command: v.optional(text),
  insecure_no_password: v.optional(flag),
};

const database = v.object(
  { url: databaseAddress, name: v.optional(text), password_file: v.optional(absolutePath) },
  'a database, with the key "url"',
);

const hook = v.pipe(
  v.object(
    {
      before: v.optional(point),
      after: v.optional(point),
      run: v.lazy((given) =>
        Array.isArray(given)
          ? v.pipe(texts, v.minLength(1, 'a program and its arguments'))
          : v.pipe(v.string('a list of a program and its arguments, such as [systemctl, stop, server]'), text),
      ),
      shell: v.optional(flag),
      timeout: v.optional(duration),
      on_failure: v.optional(v.picklist(['stop', 'continue'], 'stop or continue')),
      when: v.optional(v.picklist(['always', 'success', 'failure'], 'always, success or failure')),
    },
    'a command, with the keys "before" or "after", and "run"',
  ),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const { before, after, run, shell, when } = dataset.value;
    if ((before === undefined) === (after === undefined)) addIssue({ message: 'either "before" or "after"' });
    if (when !== undefined && after === undefined) addIssue({ message: '"when" only beside "after"' });
    if (typeof run === 'string' && shell !== true) {
      addIssue({
        message: '"run" as a list, such as [systemctl, stop, server]: a text is for a shell, with "shell: true"',
      });
    }
    if (typeof run !== 'string' && shell === true) addIssue({ message: '"run" as a text where "shell: true" stands' });
  }),
);

const copy = v.object({ repository: location, ...password }, 'a repository, with the key "repository"');
const healthchecks = v.object(
  {
    ping_url: webAddress,
    timeout: v.optional(duration),
    retries: v.optional(
      v.pipe(
        v.number('a number from 0 to 10'),
        v.integer('a number from 0 to 10'),
        v.minValue(0, 'a number from 0 to 10'),
        v.maxValue(10, 'a number from 0 to 10'),
      ),
    ),
  },
  'an address, with the key "ping_url"',
);

const server = v.object(
  {
    listen: v.optional(parsed('an address such as 127.0.0.1:8480', parseListen)),
    base_path: v.optional(parsed('a path such as /snap', parseBasePath)),
    state_directory: v.optional(absolutePath),
    trusted_proxies: v.optional(texts),
  },
  'keys of the server, such as "listen"',
);

export const SCHEMA = v.object(
  {
    repository: v.optional(location),
    ...password,
    cache_directory: v.optional(absolutePath),

    source_directories: v.optional(absolutePaths),
    profiles: v.optional(v.array(profile, 'a list of profiles, each on a line that begins with "- "')),
    sqlite_databases: v.optional(absolutePaths),
    postgresql_databases: v.optional(v.array(database, 'a list of databases')),
    mariadb_databases: v.optional(v.array(database, 'a list of databases')),

    exclude_patterns: v.optional(texts),
    iexclude_patterns: v.optional(texts),
    exclude_from: v.optional(absolutePaths),
    exclude_if_present: v.optional(texts),
    exclude_caches: v.optional(flag),
    exclude_larger_than: v.optional(size),
    one_file_system: v.optional(flag),
    ignore_inode: v.optional(flag),
    ignore_ctime: v.optional(flag),

    host: v.optional(text),
    label: v.optional(text),
    tags: v.optional(texts),
    compression: v.optional(parsed('off, or a level from 1 to 19', parseCompression)),
    workers: v.optional(wholeNumber),
    limit_read: v.optional(rate),
    priority: v.optional(v.picklist(['idle', 'normal'], 'idle or normal')),
    max_shrink: v.optional(parsed('a percentage from 0 to 100', parsePercent)),
    strict: v.optional(flag),
    skip_if_unchanged: v.optional(flag),

    keep_last: v.optional(count),
    keep_hourly: v.optional(count),
    keep_daily: v.optional(count),
    keep_weekly: v.optional(count),
    keep_monthly: v.optional(count),
    keep_yearly: v.optional(count),
    keep_within: v.optional(
      v.pipe(v.string('a span such as 14d or 1y6m'), v.regex(/^(?:\d{1,6}[ymwdh])+$/, 'a span such as 14d or 1y6m')),
    ),
    keep_tags: v.optional(texts),
    group_by: v.optional(parsed('some of host, label, paths, tags, separated by commas', parseGroupBy)),
    zone: v.optional(v.pipe(text, v.check(isZone, 'the name of a time zone, such as Europe/Berlin'))),

    prune_every: v.optional(every),
    max_unused: v.optional(parsed('a share such as 5%, a size such as 2G, or unlimited', parseUnused)),
    check_every: v.optional(every),
    check_parts: v.optional(v.pipe(wholeNumber, v.maxValue(10_000, 'a whole number up to 10000'))),
    copies: v.optional(v.array(copy, 'a list of repositories')),
    rehearse_every: v.optional(every),
    rehearse_bytes: v.optional(size),

    commands: v.optional(v.array(hook, 'a list of commands')),
    healthchecks: v.optional(healthchecks),

    server: v.optional(server),
  },
  'keys with values, such as "repository: /mnt/backup/library"',
);

/** A configuration as it is used: sizes are bytes, times are milliseconds. */
export type Config = v.InferOutput<typeof SCHEMA>;
export type ConfigKey = keyof Config;

function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
