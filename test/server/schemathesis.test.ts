/**
 * schemathesis makes up requests from the description, sound ones and odd ones, and holds each answer against it. It is a
 * Python program, which the test installs for itself; where that cannot be, the test is skipped.
 */

import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { CliFixture } from '../support/cli.ts';
import { ServerProcess, type Visitor } from '../support/server-process.ts';

const VERSION = '4.32.5';
const INSTALL_MS_MAX = 180_000;
const RUN_MS_MAX = 400_000;
const EXAMPLES = '25';

/** Its program, or why there is none. */
function install(folder: string): { readonly program: string } | { readonly why: string } {
  const environment = join(folder, 'python');
  for (const [command, ...parameters] of [
    ['python3', '-m', 'venv', environment],
    [join(environment, 'bin/pip'), 'install', '--quiet', '--disable-pip-version-check', `schemathesis==${VERSION}`],
  ]) {
    const { status, stderr, error } = spawnSync(command ?? '', parameters, {
      timeout: INSTALL_MS_MAX,
      encoding: 'utf8',
    });
    if (status === 0) continue;
    const why = error?.message ?? stderr.trim().split('\n').at(-1) ?? '';
    return { why: `${command} ${parameters[0]}: ${why}` };
  }
  return { program: join(environment, 'bin/schemathesis') };
}

async function tokenOf(admin: Visitor): Promise<string> {
  const { secret } = await admin.post('/tokens', { name: 'schemathesis', scopes: ['admin'] });
  return secret as string;
}

const FLAGS = [
  '--checks',
  'not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance',
  '--phases',
  'coverage,fuzzing',
  '--max-examples',
  EXAMPLES,
  '--generation-deterministic',
  '--request-timeout',
  '30',
  '--no-color',
  // It never ends.
  '--exclude-path',
  '/api/v1/events',
  // They start jobs without end, or take the token away.
  '--exclude-method',
  'POST',
  '--exclude-method',
  'DELETE',
];

test('no request that can be made up from the description fails the server, and answers are as it says', async (t: TestContext) => {
  const fixture = new CliFixture(t);
  const installed = install(fixture.folder);
  if ('why' in installed) return t.skip(`schemathesis cannot be installed: ${installed.why}`);
  await fixture.init();
  mkdirSync(join(fixture.source, 'books'), { recursive: true });
  writeFileSync(join(fixture.source, 'books/book.m4b'), 'words');
  await fixture.ok(['backup', fixture.source]);
  writeFileSync(join(fixture.source, 'books/book.m4b'), 'other words');
  await fixture.ok(['backup', fixture.source]);
  const server = await ServerProcess.start(t, fixture);
  const token = await tokenOf(await server.setUp());
  const run = async (configuration: readonly string[]): Promise<void> => {
    const ran = await promisify(execFile)(
      installed.program,
      [
        ...configuration,
        'run',
        `${server.url}/api/v1/openapi.json`,
        '--header',
        `Authorization: Bearer ${token}`,
        ...FLAGS,
      ],
      { timeout: RUN_MS_MAX, maxBuffer: 64 * 1024 * 1024, cwd: fixture.folder },
    ).catch((error: { readonly stdout?: string; readonly stderr?: string }) => error);
    const text = `${ran.stdout ?? ''}${ran.stderr ?? ''}`;
    assert.doesNotMatch(text, /\d+ failed|FAILURES|ERRORS/, text);
    assert.match(text, /\d+ passed/, text);
  };
  // All that can be made up is hardly ever the name of something that is there, so a second time with names that are.
  await run([]);
  const file = join(fixture.folder, 'names.toml');
  const names = {
    snapshot: 'latest',
    before: 'latest~1',
    after: 'latest',
    path: join(fixture.source, 'books/book.m4b'),
  };
  const lines = Object.entries(names).map(([name, value]) => `"query.${name}" = ${JSON.stringify(value)}`);
  writeFileSync(file, ['[parameters]', ...lines, ''].join('\n'));
  await run(['--config-file', file]);
  const metrics = await fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${token}` } });
  assert.match(await metrics.text(), /route="\/api\/v1\/content",status="200"/, 'names that are there led to files');
  const failed = server.lines.filter((line) => line.includes('A request failed'));
  assert.deepEqual(failed, []);
});
