/** Writes a first configuration: what was found, and all else as comments that say what it does. */

import { stringify } from 'yaml';
import { dumpAddress } from '../database-servers.ts';
import type { Findings } from './findings.ts';
import type { ServerFindings } from './server-findings.ts';

export interface Places {
  readonly repository: string | undefined;
  readonly passwordFile: string | undefined;
}

export function generateConfig(findings: Findings, places: Places): string {
  return [
    '# Configuration of snap. "snap config validate" checks it, "snap config show" says what is in force.',
    '# A flag beats the environment, which beats this file. Keys that are not known are errors.',
    ...comments(findings.warnings.map((warning) => `WARNING: ${warning}.`)),
    '',
    '# ---- where to, and the password: it never stands in this file',
    ...setting('repository', places.repository, '/mnt/backup/library'),
    ...setting('password_file', places.passwordFile, '/etc/snap.password'),
    '# password_command: pass show snap',
    '',
    '# ---- what',
    ...sources(findings.sources),
    ...profiles(findings.servers),
    ...databases(findings.databases),
    ...dumps(findings.servers),
    ...excludes(findings),
    '# exclude_caches: true              # folders with a CACHEDIR.TAG',
    '# exclude_larger_than: 50G',
    '# label: library                   # names the series: retention goes on with it when folders are added',
    '',
    ...KEEPING,
    '',
    ...NIGHT,
    '',
    ...commands(findings),
    '',
    '# ---- who hears of it: /start before, the address itself after, /fail when something failed',
    '# healthchecks:',
    '#   ping_url: https://hc-ping.com/your-uuid-here',
    '',
  ].join('\n');
}

function sources(paths: readonly string[]): string[] {
  if (paths.length === 0) return ['# source_directories:', '#   - /srv/audiobooks'];
  return ['source_directories:', ...paths.map((path) => `  - ${scalar(path)}`)];
}

function profiles(servers: readonly ServerFindings[]): string[] {
  if (servers.length === 0) {
    return [
      '# No server was recognised. "snap profiles list" names those of which something is known.',
      '# profiles:',
      '#   - audiobookshelf',
    ];
  }
  const names = [...new Set(servers.map(({ profile }) => profile))];
  return [
    '# Servers that were recognised: their databases first and together; what they make again by themselves stays out.',
    '# All that is known of them: snap profiles detect FOLDER...',
    'profiles:',
    ...names.flatMap((name) => [
      `  - ${name}`,
      ...servers.filter(({ profile }) => profile === name).flatMap((server) => comments(aboutServer(server), '  ')),
    ]),
  ];
}

function aboutServer({ title, folder, reason, databases: files, advice }: ServerFindings): string[] {
  return [
    `${title} in ${folder}, since ${reason}`,
    ...files.map(({ path, what }) => `database ${path} (${what})`),
    ...advice,
  ];
}

/** Nobody can guess an address: what is written here is for somebody to complete. */
function dumps(servers: readonly ServerFindings[]): string[] {
  const kinds = [...new Set(servers.flatMap((server) => server.dumps.map(({ kind }) => kind)))];
  return kinds.flatMap((kind) => [
    `# Without a dump these are in no snapshot: complete the address, and take the # away.`,
    `# ${kind}_databases:`,
    ...servers.flatMap(({ title, dumps: wanted }) =>
      wanted
        .filter((dump) => dump.kind === kind)
        .map((dump) => `#   - url: ${dumpAddress(dump)}  # ${oneLine(`${title}: ${dump.what}`)}`),
    ),
  ]);
}

function databases(paths: readonly string[]): string[] {
  if (paths.length === 0) {
    return ['# SQLite databases are found by their header wherever they lie in the sources; none was seen.'];
  }
  return [
    '# SQLite databases are found by their header and captured consistently while programs write to them. A night that',
    '# did not capture one that is named here says so.',
    'sqlite_databases:',
    ...paths.map((path) => `  - ${scalar(path)}`),
  ];
}

function excludes({ excludes: found }: Findings): string[] {
  if (found.length === 0)
    return ['# exclude_patterns:                 # rules of gitignore; / at the start is the root', '#   - "*.tmp"'];
  return ['exclude_patterns:', ...found.map(({ pattern, why }) => `  - ${scalar(pattern)}  # ${oneLine(why)}`)];
}

function commands({ commands: found }: Findings): string[] {
  const head = '# ---- commands around a part of the night. Their exit codes decide; no shell unless "shell: true"';
  if (found.length > 0)
    return [
      head,
      'commands:',
      ...found.flatMap(({ yaml, why }) => [`  # ${oneLine(why)}`, ...yaml.split('\n').map((line) => `  ${line}`)]),
    ];
  return [
    head,
    '# commands:',
    '#   - before: backup                # backup, forget, prune, check, copy, rehearsal, or run for all of it',
    '#     run: [systemctl, stop, audiobookshelf]',
    '#     timeout: 5m',
    '#     on_failure: stop              # or continue',
    '#   - after: backup',
    '#     run: [systemctl, start, audiobookshelf]',
    '#     when: always                  # or success, failure; always: also after a failure or Ctrl-C',
  ];
}

const KEEPING = [
  '# ---- how long: each rule keeps the newest of so many days, weeks ... that have one',
  'keep_daily: 7',
  'keep_weekly: 5',
  'keep_monthly: 12',
  'keep_yearly: unlimited',
];

const NIGHT = [
  '# ---- the night: "snap run" does all of it; a time, or never',
  'prune_every: 7d                   # frees the space of what was forgotten',
  'check_every: 7d                   # reads one part in so many of the repository, the next one each time',
  'check_parts: 12',
  'rehearse_every: 7d                # restores a sample of the newest snapshot into a scratch folder, verified',
  'rehearse_bytes: 500M',
  'priority: idle                    # the processor and the disk serve everybody else first',
  '# limit_read: 50M                 # bytes a second that a backup reads',
  '# copies:                         # where each night goes as well; made with snap init --copy-chunker-params',
  '#   - repository: /mnt/second/snap',
  '#     password_file: /etc/snap-second.password',
];

function setting(key: string, value: string | undefined, example: string): string[] {
  return value === undefined ? [`# ${key}: ${example}`] : [`${key}: ${scalar(value)}`];
}

/** Quoted where YAML would read something else, on one line whatever the name holds. */
function scalar(text: string): string {
  return stringify(text, { lineWidth: 0, blockQuote: false }).trimEnd();
}

function comments(lines: readonly string[], indent = ''): string[] {
  return lines.map((line) => `${indent}# ${oneLine(line)}`);
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
}
