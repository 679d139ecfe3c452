/** The program as it is installed, and run with the rights that a container or a unit leaves it. */

import { type ChildProcess, execFileSync, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const TOP = fileURLToPath(new URL('../../..', import.meta.url));
export const NOBODY = 65_534;

/** Why there are no confined runs; false where there are. */
export const NO_CONFINEMENT =
  process.geteuid?.() === 0 && spawnSync('unshare', ['--mount', 'setpriv', '--version']).status === 0
    ? false
    : 'Only root can take rights away, by unshare and setpriv';

/** The packed files, and the packages that they need: neither sources nor tests, nor what only they need. */
export function install(folder: string): string {
  const listed = execFileSync('npm', ['pack', '--ignore-scripts', '--dry-run', '--json'], {
    cwd: TOP,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [{ files }] = JSON.parse(listed) as [{ files: { path: string }[] }];
  mkdirSync(folder, { recursive: true });
  // By hard links where that can be: nothing of it is written to.
  const paths = [...files.map(({ path }) => path), ...neededPackages()];
  const isLinked = spawnSync('cp', ['-al', '--parents', ...paths, folder], { cwd: TOP }).status === 0;
  if (!isLinked) execFileSync('cp', ['-a', '--parents', ...paths, folder], { cwd: TOP });
  return join(folder, 'dist', 'cli', 'main.js');
}

function neededPackages(): string[] {
  const { packages } = JSON.parse(readFileSync(join(TOP, 'package-lock.json'), 'utf8')) as {
    packages: { [path: string]: { readonly dev?: boolean; readonly devOptional?: boolean } };
  };
  return Object.entries(packages)
    .filter(([path, { dev, devOptional }]) => path !== '' && dev !== true && devOptional !== true)
    .map(([path]) => path)
    .filter((path) => !/node_modules\/.+\/node_modules\//.test(path) && existsSync(join(TOP, path)));
}

export interface Rights {
  /** Folders that stay writable, and belong to the user; all else is read-only. */
  readonly writable: readonly string[];
  /** Such as `CAP_DAC_READ_SEARCH`; none else can be had, by nothing. */
  readonly capabilities?: readonly string[];
}

/** Runs a program of node as nobody, in a file system of which all but some folders is read-only. */
export function spawnConfined(
  parameters: readonly string[],
  { writable, capabilities = [] }: Rights,
  options: SpawnOptions,
): ChildProcess {
  for (const path of writable) {
    mkdirSync(path, { recursive: true });
    chownSync(path, NOBODY, NOBODY);
  }
  const binds = writable.map((_, index) => `mount --bind "$${index + 1}" "$${index + 1}"`);
  const script = [
    'mount --make-rprivate /',
    ...binds,
    'mount -o remount,bind,ro /',
    `shift ${writable.length}`,
    'exec setpriv "$@"',
  ].join(' && ');
  const names = capabilities.map((name) => `+${name.toLowerCase().replace(/^cap_/, '')}`);
  const kept = names.length === 0 ? [] : [`--inh-caps=${names.join(',')}`, `--ambient-caps=${names.join(',')}`];
  const user = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--no-new-privs', ...kept];
  const bounds = `--bounding-set=${['-all', ...names].join(',')}`;
  const setpriv = [...user, bounds, process.execPath, ...parameters];
  return spawn('unshare', ['--mount', 'sh', '-c', script, 'sh', ...writable, ...setpriv], options);
}
