/** A Postgres server of the bench's own, with the database of a library in it. */

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const NOBODY = 65_534;
const BASE = '/usr/lib/postgresql';
const START_ATTEMPTS = 200;

export interface BenchServer {
  readonly url: string;
  sql(statements: string): void;
  dump(path: string): void;
  stop(): Promise<void>;
}

/** Undefined where this machine has none. */
export async function startPostgres(): Promise<BenchServer | undefined> {
  const versions = existsSync(BASE) ? readdirSync(BASE) : [];
  const programs = versions
    .map((version) => join(BASE, version, 'bin'))
    .find((path) => existsSync(join(path, 'initdb')));
  if (programs === undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'snap-bench-db-'));
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) chownSync(folder, NOBODY, NOBODY);
  chmodSync(folder, 0o755);
  const user = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
  const data = join(folder, 'data');
  const initdb = ['-D', data, '-U', 'owner', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync'];
  execFileSync(join(programs, 'initdb'), initdb, { ...user, cwd: folder, stdio: 'ignore' });
  const settings = ['listen_addresses=', 'fsync=off', 'autovacuum=off', 'max_wal_size=4GB'].flatMap((one) => [
    '-c',
    one,
  ]);
  const child = spawn(join(programs, 'postgres'), ['-D', data, '-k', folder, ...settings], {
    ...user,
    cwd: folder,
    stdio: 'ignore',
  });
  const url = `postgresql://owner@/postgres?host=${encodeURIComponent(folder)}`;
  const psql = ['-Xq', '-v', 'ON_ERROR_STOP=1', '-d', url];
  for (let attempt = 0; spawnSync('psql', [...psql, '-c', 'SELECT 1']).status !== 0; attempt++) {
    if (attempt > START_ATTEMPTS) throw new Error('postgres does not start');
    await sleep(100);
  }
  return {
    url,
    sql: (statements) => void execFileSync('psql', [...psql, '-o', '/dev/null', '-f', '-'], { input: statements }),
    dump: (path) => void execFileSync('pg_dump', [`--dbname=${url}`, `--file=${path}`]),
    stop: () => stop(child, folder),
  };
}

async function stop(child: ChildProcess, folder: string): Promise<void> {
  const over = once(child, 'exit');
  child.kill('SIGQUIT');
  await over;
  rmSync(folder, { recursive: true, force: true });
}

/** Books with descriptions, about 600 bytes a row, and what listeners do with them, about 90. */
export function libraryTables(scale: number): string {
  const word = (seed: string): string => `w.a[1 + (${seed} % 3000)]`;
  return `
CREATE TABLE progress (id bigserial PRIMARY KEY, listener int, item uuid, position double precision, finished boolean, updated timestamptz);
CREATE TABLE books (id bigserial PRIMARY KEY, path text, title text, description text, checksum bytea, bytes bigint, updated timestamptz);
CREATE TEMP TABLE w AS SELECT array_agg(substr(md5(g::text), 1, 3 + (g % 7))) a FROM generate_series(1, 3000) g;
INSERT INTO progress (listener, item, position, finished, updated)
  SELECT g % 6, md5(g::text)::uuid, (g * 7919 % 360000) / 10.0, g % 3 = 0, timestamptz '2026-01-01' + g * interval '3 seconds' FROM generate_series(1, ${Math.ceil(200_000 * scale)}) g;
INSERT INTO books (path, title, description, checksum, bytes, updated)
  SELECT '/srv/audiobooks/' || ${word('h')} || '/' || g || '/book.m4b', ${word('h / 7')} || ' ' || ${word('h / 11')},
    (SELECT string_agg(${word("('x' || substr(md5(g::text || i::text), 1, 7))::bit(28)::int")}, ' ') FROM generate_series(1, 60) i),
    decode(md5(g::text), 'hex'), h, timestamptz '2026-01-01' + g * interval '1 minute'
  FROM generate_series(1, ${Math.ceil(75_000 * scale)}) g, LATERAL (SELECT ('x' || substr(md5(g::text), 1, 7))::bit(28)::int h) hashed, w;
DROP TABLE w;`;
}

/** One row in a hundred changes: here and there, or those that stand together. */
export function libraryNight(night: number, where: 'scattered' | 'together'): string {
  const which = (rows: string): string =>
    where === 'scattered'
      ? `id % 100 = ${night * 7}`
      : `id BETWEEN (SELECT count(*) FROM ${rows}) * ${30 + night} / 100 AND (SELECT count(*) FROM ${rows}) * ${31 + night} / 100`;
  return `UPDATE progress SET position = position + 1, updated = updated + interval '1 day' WHERE ${which('progress')};
UPDATE books SET description = description || ' x', updated = updated + interval '1 day' WHERE ${which('books')};
VACUUM progress; VACUUM books;`;
}
