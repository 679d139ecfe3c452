/** The programs that are measured: how each makes a repository, stores a folder, and brings it back. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Command, type Measurement, measure } from './measure.ts';

export const PASSWORD = 'bench';

export interface Tool {
  readonly name: string;
  /** What it calls itself, or undefined where it is not on this machine. */
  version(): string | undefined;
  init(work: string): Promise<void>;
  backup(work: string, source: string): Promise<Measurement>;
  /** Restores what the last backup stored; `printed` is what that printed. */
  restore(work: string, source: string, target: string, printed: string): Promise<Measurement>;
  /** Restores the last backup over what it was taken of; undefined where the tool is not compared in this. */
  readonly restoreInPlace: ((work: string, source: string) => Promise<Measurement>) | undefined;
  /** Forgets all but the newest `keep` snapshots, and frees nothing; undefined for tools whose prune is not compared. */
  readonly forget?: ((work: string, keep: number) => Promise<Measurement>) | undefined;
  /** What a prune would do, found out without doing it. */
  readonly planPrune?: ((work: string) => Promise<Measurement>) | undefined;
  /** The folder whose growth is counted. */
  repository(work: string): string;
}

interface Recipe {
  readonly name: string;
  readonly versionWords: readonly string[];
  readonly init: (work: string) => readonly Command[];
  readonly backup: (work: string, source: string) => Command;
  readonly restore: (work: string, source: string, target: string, printed: string) => Command;
  readonly restoreInPlace?: (work: string, source: string) => Command;
  readonly forget?: (work: string, keep: number) => Command;
  readonly planPrune?: (work: string) => Command;
}

function toolFrom(recipe: Recipe): Tool {
  const { restoreInPlace, forget, planPrune } = recipe;
  return {
    name: recipe.name,
    version: () => {
      const [program = '', ...parameters] = recipe.versionWords;
      try {
        return execFileSync(program, parameters, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
          .trim()
          .split('\n')[0];
      } catch {
        return undefined;
      }
    },
    init: async (work) => {
      rmSync(work, { recursive: true, force: true });
      mkdirSync(work, { recursive: true });
      for (const command of recipe.init(work)) await measure(command);
    },
    backup: (work, source) => measure(recipe.backup(work, source)),
    restore: async (work, source, target, printed) => {
      mkdirSync(target, { recursive: true });
      return measure(recipe.restore(work, source, target, printed));
    },
    restoreInPlace: restoreInPlace === undefined ? undefined : (work, source) => measure(restoreInPlace(work, source)),
    forget: forget && ((work, keep) => measure(forget(work, keep))),
    planPrune: planPrune && ((work) => measure(planPrune(work))),
    repository: (work) => join(work, 'repository'),
  };
}

const SNAP = fileURLToPath(new URL('../cli/main.js', import.meta.url));

export function snapEnv(work: string): { [name: string]: string } {
  return { SNAP_REPOSITORY: join(work, 'repository'), SNAP_PASSWORD: PASSWORD, SNAP_CACHE_DIR: join(work, 'cache') };
}

/** The command line as a user calls it; `nodeOptions` for a look inside. */
export function snapUnder(nodeOptions: readonly string[]): Tool {
  const words = [process.execPath, ...nodeOptions, SNAP];
  return toolFrom({
    name: 'snap',
    versionWords: [...words, '--version'],
    init: (work) => [{ words: [...words, 'init', '--quiet'], env: snapEnv(work) }],
    backup: (work, source) => ({ words: [...words, 'backup', source, '--json', '--quiet'], env: snapEnv(work) }),
    restore: (work, source, target) => ({
      words: [...words, 'restore', `latest:${source}`, '--target', target, '--json', '--quiet'],
      env: snapEnv(work),
    }),
    restoreInPlace: (work) => ({ words: [...words, 'restore', 'latest', '--in-place', '--quiet'], env: snapEnv(work) }),
    forget: (work, keep) => ({ words: [...words, 'forget', '--keep-last', `${keep}`, '--quiet'], env: snapEnv(work) }),
    planPrune: (work) => ({ words: [...words, 'prune', '--dry-run', '--json', '--quiet'], env: snapEnv(work) }),
  });
}

export const snap = snapUnder([]);

/** Any verb of the command line, on the repository in a work folder. */
export function runSnap(work: string, parameters: readonly string[]): Promise<Measurement> {
  return measure({ words: [process.execPath, SNAP, ...parameters], env: snapEnv(work) });
}

function bupstashEnv(work: string): { [name: string]: string } {
  return {
    BUPSTASH_REPOSITORY: join(work, 'repository'),
    BUPSTASH_KEY: join(work, 'key'),
    BUPSTASH_SEND_LOG: join(work, 'send-log'),
    BUPSTASH_QUERY_CACHE: join(work, 'query-cache'),
  };
}

const RIVALS: readonly Tool[] = [
  toolFrom({
    name: 'bupstash',
    versionWords: ['bupstash', '--version'],
    init: (work) => [
      { words: ['bupstash', 'init'], env: bupstashEnv(work) },
      { words: ['bupstash', 'new-key', '-o', join(work, 'key')], env: bupstashEnv(work) },
    ],
    backup: (work, source) => ({ words: ['bupstash', 'put', '-q', 'name=bench', source], env: bupstashEnv(work) }),
    restore: (work, _source, target, printed) => ({
      words: ['bupstash', 'restore', '--quiet', '--into', target, `id=${printed.trim()}`],
      env: bupstashEnv(work),
    }),
  }),
  toolFrom({
    name: 'restic',
    versionWords: ['restic', 'version'],
    init: (work) => [{ words: ['restic', '-q', 'init'], env: resticEnv(work) }],
    backup: (work, source) => ({ words: ['restic', '-q', 'backup', source], env: resticEnv(work) }),
    restore: (work, _source, target) => ({
      words: ['restic', '-q', 'restore', 'latest', '--target', target],
      env: resticEnv(work),
    }),
    forget: (work, keep) => ({
      words: ['restic', '-q', 'forget', '--keep-last', `${keep}`],
      env: resticEnv(work),
    }),
    planPrune: (work) => ({ words: ['restic', '-q', 'prune', '--dry-run'], env: resticEnv(work) }),
  }),
  toolFrom({
    name: 'rustic',
    versionWords: ['rustic', '--version'],
    init: (work) => [{ words: ['rustic', 'init'], env: rusticEnv(work) }],
    backup: (work, source) => ({ words: ['rustic', 'backup', source], env: rusticEnv(work) }),
    restore: (work, source, target) => ({
      words: ['rustic', 'restore', `latest:${source}`, target],
      env: rusticEnv(work),
    }),
    forget: (work, keep) => ({ words: ['rustic', 'forget', '--keep-last', `${keep}`], env: rusticEnv(work) }),
    planPrune: (work) => ({ words: ['rustic', 'prune', '--dry-run'], env: rusticEnv(work) }),
  }),
  toolFrom({
    name: 'borg',
    versionWords: ['borg', '--version'],
    init: (work) => [{ words: ['borg', 'init', '-e', 'repokey-blake2'], env: borgEnv(work) }],
    backup: (work, source) => ({
      words: ['borg', 'create', '-C', 'zstd,1', '::{now:%Y-%m-%dT%H:%M:%S.%f}', source],
      env: borgEnv(work),
    }),
    restore: (work, _source, target) => ({
      words: ['sh', '-c', 'borg extract "::$(borg list --last 1 --short)"'],
      env: borgEnv(work),
      cwd: target,
    }),
  }),
];

function resticEnv(work: string): { [name: string]: string } {
  return {
    RESTIC_REPOSITORY: join(work, 'repository'),
    RESTIC_PASSWORD: PASSWORD,
    RESTIC_CACHE_DIR: join(work, 'cache'),
  };
}

function rusticEnv(work: string): { [name: string]: string } {
  return {
    RUSTIC_REPOSITORY: join(work, 'repository'),
    RUSTIC_PASSWORD: PASSWORD,
    RUSTIC_CACHE_DIR: join(work, 'cache'),
    RUSTIC_NO_PROGRESS: 'true',
  };
}

function borgEnv(work: string): { [name: string]: string } {
  return {
    BORG_REPO: join(work, 'repository'),
    BORG_PASSPHRASE: PASSWORD,
    BORG_BASE_DIR: join(work, 'base'),
    BORG_RELOCATED_REPO_ACCESS_IS_OK: 'yes',
  };
}

/** Rivals on this machine, of those that were asked for. */
export function findRivals(names: readonly string[] | undefined): readonly Tool[] {
  return RIVALS.filter((tool) => names === undefined || names.includes(tool.name)).filter(
    (tool) => tool.version() !== undefined,
  );
}

export function copyTree(source: string, target: string): Promise<Measurement> {
  rmSync(target, { recursive: true, force: true });
  return measure({ words: ['cp', '-a', source, target] });
}

export function findTree(source: string): Promise<Measurement> {
  return measure({ words: ['sh', '-c', 'find "$0" -printf "%i %s %T@ %C@\\n" > /dev/null', source] });
}
