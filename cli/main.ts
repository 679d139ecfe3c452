#!/usr/bin/env node
/** The door for terminals: finds the verb, loads only its module, and hands over. */

import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import type { Command } from 'commander';

interface Verb {
  readonly name: string;
  readonly description: string;
  readonly load: () => Promise<Command>;
}

const VERBS: readonly Verb[] = [
  {
    name: 'init',
    description: 'make a repository',
    load: async () => (await import('./commands/init.ts')).initCommand(),
  },
  {
    name: 'backup',
    description: 'take a snapshot; databases found in it are exported consistently',
    load: async () => (await import('./commands/backup.ts')).backupCommand(),
  },
  {
    name: 'snapshots',
    description: 'list snapshots, newest last',
    load: async () => (await import('./commands/snapshots.ts')).snapshotsCommand(),
  },
  {
    name: 'ls',
    description: 'list a folder of a snapshot',
    load: async () => (await import('./commands/ls.ts')).lsCommand(),
  },
  {
    name: 'find',
    description: 'search all snapshots',
    load: async () => (await import('./commands/find.ts')).findCommand(),
  },
  {
    name: 'log',
    description: 'every version of one path through time',
    load: async () => (await import('./commands/log.ts')).logCommand(),
  },
  {
    name: 'diff',
    description: 'what changed between two snapshots, or since one',
    load: async () => (await import('./commands/diff.ts')).diffCommand(),
  },
  {
    name: 'restore',
    description: 'rebuild a tree, a folder, or one file',
    load: async () => (await import('./commands/restore.ts')).restoreCommand(),
  },
  {
    name: 'cat',
    description: 'one file to standard output',
    load: async () => (await import('./commands/cat.ts')).catCommand(),
  },
  {
    name: 'forget',
    description: 'let old snapshots go, by a policy or by name',
    load: async () => (await import('./commands/forget.ts')).forgetCommand(),
  },
  {
    name: 'undelete',
    description: 'bring back forgotten snapshots that are not pruned yet',
    load: async () => (await import('./commands/undelete.ts')).undeleteCommand(),
  },
  {
    name: 'tag',
    description: 'edit tags and labels, trust a suspect snapshot',
    load: async () => (await import('./commands/tag.ts')).tagCommand(),
  },
  {
    name: 'pin',
    description: 'protect snapshots from retention',
    load: async () => (await import('./commands/pin.ts')).pinCommand(),
  },
  {
    name: 'prune',
    description: 'free the space of what no snapshot needs',
    load: async () => (await import('./commands/prune.ts')).pruneCommand(),
  },
  {
    name: 'check',
    description: 'audit the repository',
    load: async () => (await import('./commands/check.ts')).checkCommand(),
  },
  {
    name: 'stats',
    description: 'sizes: restored, unique, stored',
    load: async () => (await import('./commands/stats.ts')).statsCommand(),
  },
  {
    name: 'copy',
    description: 'copy snapshots to another repository',
    load: async () => (await import('./commands/copy.ts')).copyCommand(),
  },
  {
    name: 'export',
    description: 'one portable file out: zip, tar, tar.zst',
    load: async () => (await import('./commands/export.ts')).exportCommand(),
  },
  {
    name: 'import',
    description: 'an archive in: zip, tar, tar.zst, tar.gz',
    load: async () => (await import('./commands/import.ts')).importCommand(),
  },
  {
    name: 'profiles',
    description: "which server's folders these are, and what is known of them",
    load: async () => (await import('./commands/profiles.ts')).profilesCommand(),
  },
  {
    name: 'key',
    description: 'passwords, and a recovery sheet to print',
    load: async () => (await import('./commands/key.ts')).keyCommand(),
  },
  {
    name: 'run',
    description: 'the whole night from the configuration file',
    load: async () => (await import('./commands/run.ts')).runCommand(),
  },
  {
    name: 'serve',
    description: 'HTTP API, web page, scheduler',
    load: async () => (await import('./commands/serve.ts')).serveCommand(),
  },
  {
    name: 'config',
    description: 'the configuration file: validate, show, generate',
    load: async () => (await import('./commands/config.ts')).configCommand(),
  },
  {
    name: 'unlock',
    description: 'remove the leases of runs that are over',
    load: async () => (await import('./commands/unlock.ts')).unlockCommand(),
  },
];

const GLOBAL_FLAGS_WITH_VALUES = new Set([
  '-r',
  '--repo',
  '--password-file',
  '--password-command',
  '--cache-dir',
  '--config',
]);

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}

/** The first argument that is neither a flag nor a flag's value. */
function verbNamed(parameters: readonly string[]): string | undefined {
  return parameters.find((parameter, index) => {
    if (parameter.startsWith('-')) return false;
    return !GLOBAL_FLAGS_WITH_VALUES.has(parameters[index - 1] ?? '');
  });
}

async function main(): Promise<void> {
  const parameters = process.argv.slice(2);
  if (parameters[0] === '--version' || parameters[0] === '-V') {
    process.stdout.write(`snap ${version()}\n`);
    return;
  }
  // The collector lets the heap grow fourfold before it looks again; a long diff has 30 MB alive and held 120.
  setFlagsFromString('--heap-growing-percent=50');
  const named = verbNamed(parameters);
  const subject = named === 'help' ? parameters[parameters.indexOf('help') + 1] : undefined;
  // "snap help VERB" is "snap VERB --help".
  if (subject !== undefined) process.argv.splice(2, parameters.length, subject, '--help');
  const wanted = subject ?? named;
  const { runProgram } = await import('./program.ts');
  const verb = VERBS.find(({ name }) => name === wanted);
  await runProgram({ verbs: VERBS, loaded: await verb?.load(), version: version() });
}

await main();
