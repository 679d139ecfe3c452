/** Database servers that a configuration file names. */

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CliFixture } from '../support/cli.ts';
import { lacks, startServer, type TestServer } from '../support/database-servers.ts';
import { makeDatabase } from '../support/server-fixtures.ts';

describe('dumps by a configuration file', { skip: lacks('postgresql') }, () => {
  let server: TestServer;
  before(async () => {
    server = await startServer('postgresql');
    makeDatabase(server, 'app');
  });
  after(() => server.stop());

  test('backup and run take them with the sources of the file; other sources go without', async (t) => {
    const cli = new CliFixture(t);
    await cli.init();
    mkdirSync(cli.source);
    writeFileSync(join(cli.source, 'book'), 'a book');
    const config = join(cli.folder, 'config.yaml');
    const address = server.urlOf('app');
    const query = address.indexOf('?');
    const url = `${address.slice(0, query).replace(/\/app$/, '')}${address.slice(query)}`;
    const lines = [
      `source_directories: [${cli.source}]`,
      'postgresql_databases:',
      `  - url: '${url}'`,
      '    name: app',
      'rehearse_every: never',
    ];
    writeFileSync(config, `${lines.join('\n')}\n`);
    for (const words of [['backup'], ['run']]) {
      await cli.ok([...words, '--config', config]);
      const snapshot = (await cli.json(['snapshots'])).at(-1);
      const dumps = snapshot.databases.map(({ path, check }: { path: string; check: string }) => `${check} ${path}`);
      assert.ok(
        dumps.some((dump: string) => /^ok .*\/app\.sql$/.test(dump)),
        `${words.join(' ')}: ${dumps.join(', ')}`,
      );
    }
    await cli.ok(['backup', cli.source, '--config', config, '--force']);
    assert.deepEqual((await cli.json(['snapshots'])).at(-1).databases, []);
  });
});
