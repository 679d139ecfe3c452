/**
 * Makes a checkout ready: installs the packages that the lock file names where they are missing or older than it, and
 * builds. With `--servers` also the database servers and the browser that tests start for themselves, where this may
 * install them. Plain JavaScript, since it runs before anything is installed or compiled.
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

/** Debian's own packages, the browser of the page's tests among them. Tests of what is not there are skipped, and say so. */
function installServers() {
  const packages = [];
  if (!existsSync('/usr/bin/pg_dump') || !existsSync('/usr/lib/postgresql')) packages.push('postgresql');
  if (!existsSync('/usr/sbin/mariadbd')) packages.push('mariadb-server');
  if (!existsSync('/usr/bin/chromium')) packages.push('chromium');
  if (!existsSync('/usr/bin/unzip')) packages.push('unzip');
  // For its systemd-analyze alone: nothing of it is started.
  if (!existsSync('/usr/bin/systemd-analyze')) packages.push('systemd');
  if (packages.length === 0 || process.geteuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return;
  process.stderr.write(`setup: installing ${packages.join(', ')} for the tests\n`);
  process.env.DEBIAN_FRONTEND = 'noninteractive';
  const isThere =
    succeeds('apt-get', ['update', '-qq']) &&
    succeeds('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages]);
  if (!isThere) process.stderr.write('setup: they cannot be installed: their tests are skipped\n');
}
if (process.argv.includes('--servers')) installServers();
