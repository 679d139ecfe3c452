/**
 * Makes a checkout ready: installs the packages that the lock file names where they are missing or older than it, and
 * builds. Plain JavaScript, since it runs before anything is installed or compiled.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const top = join(dirname(fileURLToPath(import.meta.url)), '..');

function modifiedMs(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}

function succeeds(command, parameters) {
  const { status, error } = spawnSync(command, parameters, { cwd: top, stdio: ['ignore', 2, 2] });
  return error === undefined && status === 0;
}

function run(command, parameters) {
  if (succeeds(command, parameters)) return;
  process.stderr.write(`setup: "${command} ${parameters.join(' ')}" failed\n`);
  process.exit(1);
}

const installed = modifiedMs(join(top, 'node_modules', '.package-lock.json'));
if (installed === 0 || installed < modifiedMs(join(top, 'package-lock.json'))) {
  process.stderr.write('setup: installing packages (a few minutes the first time)\n');
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
  // A registry that lacks packages for other platforms makes "ci" refuse a lock file that is right.
  if (!succeeds('npm', ['ci', ...quiet])) run('npm', ['install', '--no-save', ...quiet]);
}
run('npm', ['run', '--silent', 'build']);
