import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { postgresUrl } from '../../engine/databases/postgres.ts';
import { describeServer, fileName, parseServer, serverName } from '../../engine/databases/server-address.ts';
import { testFolder } from '../support/build-repository.ts';

const parse = (url: string): ReturnType<typeof parseServer> => parseServer({ url, environment: { PATH: '/bin' } });

test('a server is named by a URL: host, port, socket, user, database', () => {
  const seen = [
    'postgresql://',
    'postgres://ann@db:5433/im%20mich',
    'postgresql:///app?host=/run/postgresql&port=5433&sslmode=require',
    'postgresql://ann@[::1]:5432/app',
    'mariadb://root@db/app',
    'mysql:///app?socket=/run/my.sock',
  ].map((url) => {
    const { kind, host, port, socket, user, database } = parse(url);
    return [kind, host, port, socket, user, database].map((one) => one ?? '').join(' ');
  });
  assert.deepEqual(seen, [
    'postgresql     ',
    'postgresql db 5433  ann im mich',
    'postgresql  5433 /run/postgresql  app',
    'postgresql ::1 5432  ann app',
    'mariadb db   root app',
    'mariadb   /run/my.sock  app',
  ]);
  const url = 'postgresql://ann@/x?host=%2Frun%2Fpg&port=5433&sslmode=require';
  assert.equal(
    postgresUrl(parse(url), 'my db'),
    'postgresql://ann@/my%20db?host=%2Frun%2Fpg&port=5433&sslmode=require',
  );
  assert.equal(postgresUrl(parse('postgresql://ann@[::1]:5432'), 'a'), 'postgresql://ann@[::1]:5432/a');
  assert.equal(describeServer(parse('mariadb://db:3307')), 'mariadb at db:3307');
  assert.equal(serverName(parse(url)), '%2Frun%2Fpg_5433');
  assert.deepEqual([fileName('a/b'), fileName('..'), fileName('50%\n')], ['a%2Fb', '%2E.', '50%25%0A']);
});

test('a URL with a password is refused, and no message repeats it', () => {
  const secret = 's3cret-Word';
  for (const url of [
    `postgresql://ann:${secret}@db/app`,
    `postgresql://ann:${secret}/x@db/app`,
    `postgresql://ann:a@${secret}@db/app`,
    `postgresql:///app?password=${secret}`,
    `mariadb://root:${secret}@db`,
    `mariadb://root:@db`,
    `mysql://root:${secret}@`,
    `${secret}`,
    `postgresql://db:${secret}/x`,
  ]) {
    assert.throws(
      () => parse(url),
      (error: unknown) => {
        assert.ok(error instanceof Error && 'code' in error && error.code === 'INVALID_ARGUMENT');
        assert.ok(!error.message.includes(secret), error.message);
        return true;
      },
    );
  }
  assert.throws(() => parse('postgresql://ann:x@db'), /PGPASSFILE.*PGPASSWORD/);
  assert.throws(() => parse('mariadb://ann:x@db'), /MYSQL_PWD/);
  assert.throws(() => parse('postgresql://db/a?options=-c'), /unknown setting "options"/);
});

test('a password file is read into the environment of the client programs', (t) => {
  const file = join(testFolder(t), 'password');
  writeFileSync(file, 'se cret\n');
  const postgres = parse(`postgresql://db?password_file=${encodeURIComponent(file)}`);
  assert.deepEqual([postgres.environment['PGPASSWORD'], postgres.secrets], ['se cret', ['se cret']]);
  assert.ok(!postgresUrl(postgres, 'a').includes('cret'));
  assert.equal(parse(`mariadb://db?password_file=${file}`).environment['MYSQL_PWD'], 'se cret');
  assert.throws(() => parse('mariadb://db?password_file=/nowhere'), { code: 'INVALID_ARGUMENT' });
});
