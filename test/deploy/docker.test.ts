/** The image and the compose example: built and run where a docker daemon is, else checked as far as that goes without. */

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import { CLOSE_MS_MAX, JOB_GRACE_MS_MAX } from '../../server/limits.ts';
import { testFolder } from '../support/build-repository.ts';
import type { Json } from '../support/cli.ts';
import { TOP } from '../support/examples.ts';

const text = (path: string): string => readFileSync(join(TOP, path), 'utf8');
const DOCKERFILE = text('Dockerfile');
const HEALTH_MS_MAX = 60_000;

const NO_DOCKER =
  spawnSync('docker', ['info']).status === 0 ? false : 'No docker daemon can be reached: nothing is built';

/** Names that the program reads, from its own list. */
function knownVariables(): Set<string> {
  const names = [...text('cli/environment.ts').matchAll(/'(SNAP_[A-Z_]+)'/g)].map(([, name = '']) => name);
  return new Set([...names, ...names.map((name) => `${name}_FILE`)]);
}

/** What the image sets. */
function imageEnvironment(): Map<string, string> {
  const block = /^ENV ((?:.*\\\n)*.*)$/m.exec(DOCKERFILE)?.[1] ?? '';
  const pairs = [...block.matchAll(/([A-Z_]+)=(\S+)/g)].map(([, name = '', value = '']) => [name, value] as const);
  return new Map(pairs);
}

/** What is sent to the builder: paths that .dockerignore lets through. */
function contextPaths(): string[] {
  const lines = text('.dockerignore').split('\n');
  assert.ok(lines.includes('*'), 'nothing comes along that is not named');
  return lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
}

test('the image is built from what .dockerignore lets through, and from nothing of this machine', (t) => {
  const folder = testFolder(t);
  for (const path of contextPaths()) cpSync(join(TOP, path), join(folder, path), { recursive: true });
  symlinkSync(join(TOP, 'node_modules'), join(folder, 'node_modules'));
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: folder, stdio: 'pipe' });
  const copied = [...DOCKERFILE.matchAll(/^COPY --from=build (.*) \S+$/gm)].flatMap(([, paths = '']) =>
    paths.split(' '),
  );
  assert.ok(copied.includes('/app/dist/server'));
  for (const path of copied) assert.ok(existsSync(join(folder, path.replace('/app/', ''))), path);
  const program = /^ENTRYPOINT \["node", "\/app\/(.*)"\]$/m.exec(DOCKERFILE)?.[1] ?? assert.fail('no program');
  assert.match(execFileSync(process.execPath, [join(folder, program), '--version'], { encoding: 'utf8' }), /^snap \d/);
  assert.ok(existsSync(join(folder, 'dist/server/page/index.html')));
});

test('the image runs as nobody in particular, is watched over, and names only what the program reads', () => {
  assert.match(DOCKERFILE, /^USER node$/m);
  assert.match(DOCKERFILE, /^HEALTHCHECK [\s\S]*?\/healthz/m);
  assert.match(DOCKERFILE, /^FROM node:20-bookworm-slim$/m);
  const known = knownVariables();
  for (const [name] of imageEnvironment()) assert.ok(name === 'NODE_ENV' || known.has(name), name);
  const script = /^ +CMD \["node", "-e", "(.*)"\]$/m.exec(DOCKERFILE)?.[1] ?? assert.fail('no check');
  // Nobody listens there.
  const check = spawnSync(process.execPath, ['-e', script.replace('8480', '9')]);
  assert.equal(check.status, 1, String(check.stderr));
});

function compose(): { readonly service: Json; readonly document: Json } {
  const document = parse(text('docs/compose.example.yaml')) as Json;
  return { document, service: document.services.snap };
}

test('the compose example takes every right away that the server does not need', () => {
  const { service, document } = compose();
  assert.doesNotMatch(String(service.user), /^(?:0|root)\b/);
  assert.equal(service.read_only, true);
  assert.deepEqual(service.cap_drop, ['ALL']);
  assert.deepEqual(service.security_opt, ['no-new-privileges:true']);
  for (const port of service.ports) assert.match(port, /^127\.0\.0\.1:/);
  const graceMs = Number(/^(\d+)s$/.exec(service.stop_grace_period)?.[1]) * 1000;
  assert.ok(graceMs > JOB_GRACE_MS_MAX + CLOSE_MS_MAX);
  const [secret] = service.secrets;
  assert.equal(service.environment.SNAP_PASSWORD_FILE, `/run/secrets/${secret}`);
  assert.ok(document.secrets[secret].file);
  assert.equal(service.environment.SNAP_PASSWORD, undefined, 'no password stands in it');
});

test('the compose example names volumes, variables and a command that there are', () => {
  const { service, document } = compose();
  const mounts = service.volumes.map((volume: string) => volume.split(':'));
  const targets = new Map<string, Json>(mounts.map(([from, to, how]: string[]) => [to, { from, how }]));
  const [verb, ...sources] = service.command;
  assert.equal(verb, 'serve');
  for (const source of sources) assert.equal(targets.get(source).how, 'ro', source);
  for (const name of ['SNAP_REPOSITORY', 'SNAP_STATE_DIR', 'SNAP_CACHE_DIR']) {
    const target = imageEnvironment().get(name) ?? '';
    assert.ok(targets.has(target) && targets.get(target).how === undefined, name);
    assert.match(DOCKERFILE, new RegExp(`mkdir -p .*${target}\\b`), 'a new volume gets its owner from there');
  }
  for (const [from] of mounts) assert.ok(from.startsWith('/') || from in document.volumes, from);
  const known = knownVariables();
  for (const name of Object.keys(service.environment)) assert.ok(name === 'TZ' || known.has(name), name);
  assert.match(service.ports[0], new RegExp(`:${imageEnvironment().get('SNAP_LISTEN')?.split(':')[1]}$`));
});

/** An image of this checkout, gone after the test. */
function buildImage(t: TestContext): string {
  const image = `snap-test-${process.pid}`;
  t.after(() => spawnSync('docker', ['rmi', '--force', image]));
  execFileSync('docker', ['build', '--quiet', '--tag', image, TOP], { stdio: 'pipe' });
  return image;
}

test('the image serves with everything read-only and no rights, and ends in order', { skip: NO_DOCKER }, async (t) => {
  const image = buildImage(t);
  const folder = testFolder(t);
  const source = join(folder, 'library');
  mkdirSync(source);
  writeFileSync(join(source, 'book.m4b'), 'Call me Ishmael.');
  const name = `${image}-server`;
  t.after(() => spawnSync('docker', ['rm', '--force', '--volumes', name]));
  const rights = ['--read-only', '--tmpfs', '/tmp', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'];
  const kept = ['/repository', '/state', '/cache'].flatMap((path) => ['--volume', `${name}${path.slice(1)}:${path}`]);
  t.after(() => {
    for (const volume of ['repository', 'state', 'cache']) spawnSync('docker', ['volume', 'rm', `${name}${volume}`]);
  });
  const common = [...rights, ...kept, '--volume', `${source}:/srv/library:ro`, '--env', 'SNAP_PASSWORD=correct horse'];
  const docker = (parameters: readonly string[]): string => execFileSync('docker', parameters, { encoding: 'utf8' });
  docker(['run', '--rm', ...common, image, 'init', '--password-memory', '8K', '--password-iterations', '1']);
  docker(['run', '--detach', '--init', '--name', name, ...common, image, 'serve', '/srv/library']);
  const health = ['inspect', '--format', '{{.State.Health.Status}}', name];
  for (let waitedMs = 0; docker(health).trim() !== 'healthy'; waitedMs += 500) {
    assert.ok(waitedMs < HEALTH_MS_MAX, String(spawnSync('docker', ['logs', name]).stderr));
    await sleep(500);
  }
  docker(['stop', '--time', '30', name]);
  assert.equal(docker(['inspect', '--format', '{{.State.ExitCode}}', name]).trim(), '143');
});
