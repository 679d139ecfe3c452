/** What a database of a test holds, by kind of server: all that a dump could lose. */

import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestServer } from './database-servers.ts';

export type Kind = TestServer['kind'];

/** Every byte but NUL, twice: as text of no encoding, and as binary. */
const ALL_BYTES = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0')).join('');

export const EVERYTHING: { readonly [kind in Kind]: string } = {
  postgresql: `
CREATE ROLE reader; CREATE ROLE writer LOGIN PASSWORD 'role secret' IN ROLE reader;
CREATE SCHEMA "Odd ""Schema";
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE book (id serial PRIMARY KEY, title text NOT NULL, data jsonb, raw bytea, mood mood, added timestamptz DEFAULT '2026-01-01Z');
CREATE TABLE page (id int GENERATED ALWAYS AS IDENTITY, book int REFERENCES book, body text);
CREATE TABLE "Odd ""Schema"."a;b" ("BEGIN;" text, "COPY x FROM stdin;" text);
INSERT INTO book (title, data, raw, mood) VALUES (E'tab\\t, line\\nand \\\\. end', '{"a": [1, null, "\\u00e9"]}', '\\x${ALL_BYTES}', 'ok'), ('', NULL, NULL, NULL);
INSERT INTO page (book, body) SELECT 1, repeat('word ' || g || ' ', 20) FROM generate_series(1, 500) g;
INSERT INTO "Odd ""Schema"."a;b" VALUES ('\\.', 'BEGIN;'), ('COMMIT;', E'-- PostgreSQL database dump complete\\n--\\n');
CREATE VIEW titles AS SELECT title FROM book;
CREATE MATERIALIZED VIEW counts AS SELECT count(*) FROM page;
CREATE FUNCTION twice(x int) RETURNS int LANGUAGE plpgsql AS $body$ BEGIN
COMMIT;
RETURN x * 2; END $body$;
CREATE FUNCTION atomic() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.title := upper(NEW.title); RETURN NEW; END $$;
CREATE TRIGGER touched BEFORE UPDATE ON book FOR EACH ROW EXECUTE FUNCTION touch();
CREATE RULE nothing AS ON DELETE TO page DO INSTEAD (SELECT 1; SELECT 2);
COMMENT ON TABLE book IS E'it''s a "comment"; \\\\restrict x';
ALTER TABLE book OWNER TO writer; GRANT SELECT ON page TO reader;
SELECT lo_from_bytea(4711, '\\x${ALL_BYTES}'); SELECT lo_from_bytea(4712, '\\x00');
SELECT setval('book_id_seq', 99);
`,
  mariadb: `
CREATE TABLE book (id int PRIMARY KEY AUTO_INCREMENT, title text NOT NULL, data JSON, raw blob, mood ENUM('sad', 'ok'), latin varchar(300) CHARACTER SET latin1);
CREATE TABLE page (id int PRIMARY KEY AUTO_INCREMENT, book int, body text, FOREIGN KEY (book) REFERENCES book (id));
CREATE TABLE \`a;b\`\`c\` (\`INSERT INTO\` text);
INSERT INTO book (title, data, raw, mood, latin) VALUES ('tab\\t, line\\n(1, and \\\\ ''end', '{"a": [1, null, "é"]}', 0x${ALL_BYTES}, 'ok', CONVERT(0x${ALL_BYTES} USING latin1)), ('', NULL, NULL, NULL, NULL);
INSERT INTO page (book, body) SELECT 1, REPEAT(CONCAT('word ', seq, ' '), 20) FROM seq_1_to_500;
INSERT INTO \`a;b\`\`c\` VALUES ('INSERT INTO \`book\` VALUES\\n(1)'), ('-- Dump completed\\n');
CREATE VIEW titles AS SELECT title FROM book;
CREATE VIEW above AS SELECT * FROM titles;
CREATE FUNCTION twice(x int) RETURNS int DETERMINISTIC RETURN x * 2;
CREATE SEQUENCE numbers START WITH 100;
DELIMITER //
CREATE PROCEDURE pages() BEGIN SELECT count(*) FROM page; END//
CREATE TRIGGER touched BEFORE UPDATE ON book FOR EACH ROW BEGIN SET NEW.title = UPPER(NEW.title); END//
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2026-01-01 02:00:00' DO BEGIN
DELETE FROM page WHERE id < 0; END//
DELIMITER ;
`,
};

/** Makes a database that holds it all. */
export function makeDatabase(server: TestServer, name: string, statements = EVERYTHING[server.kind]): void {
  if (server.kind === 'postgresql') {
    server.sql('postgres', `CREATE DATABASE "${name}" TEMPLATE template0 ENCODING 'UTF8'`);
  } else server.sql('', `CREATE DATABASE \`${name}\` CHARACTER SET utf8mb4`);
  server.sql(name, statements);
}

/** A table whose dump takes a while, so that something can happen half-way. */
export function longTable(kind: Kind, rows: number): string {
  const text = (number: string): string => `CONCAT(MD5(${number}), REPEAT(MD5(${number} + 1), 8))`;
  return kind === 'postgresql'
    ? `CREATE TABLE long (id int PRIMARY KEY, body text); INSERT INTO long SELECT g, md5(g::text) || repeat(md5((g + 1)::text), 8) FROM generate_series(1, ${rows}) g;`
    : `CREATE TABLE long_table (id int PRIMARY KEY, body text); INSERT INTO long_table SELECT seq, ${text('seq')} FROM seq_1_to_${rows};`;
}

/** Rows of some 330 bytes that do not compress away. */
export function wordyTable(kind: Kind, rows: number): string {
  const parts = Array.from({ length: 10 }, (_, part) => part);
  return kind === 'postgresql'
    ? `CREATE TABLE wordy (id int PRIMARY KEY, body text); INSERT INTO wordy SELECT g, ${parts.map((part) => `md5(g || '.${part}')`).join(" || ' ' || ")} FROM generate_series(1, ${rows}) g;`
    : `CREATE TABLE wordy (id int PRIMARY KEY, body text); INSERT INTO wordy SELECT seq, CONCAT_WS(' ', ${parts.map((part) => `MD5(CONCAT(seq, '.${part}'))`).join(', ')}) FROM seq_1_to_${rows};`;
}

export const LONG_TABLE: { readonly [kind in Kind]: string } = { postgresql: 'long', mariadb: 'long_table' };

export const DUMPER: { readonly [kind in Kind]: string } = { postgresql: 'pg_dump', mariadb: 'mariadb-dump' };
export const CLIENT: { readonly [kind in Kind]: string } = { postgresql: 'psql', mariadb: 'mariadb' };

/** A folder for the front of the PATH with a program that stands before the real one. `$REAL` is that one's path. */
export function fakeProgram(folder: string, name: string, script: string): { readonly PATH: string } {
  const path = process.env['PATH'] ?? '';
  const real = path
    .split(':')
    .map((one) => join(one, name))
    .find((one) => existsSync(one));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), `#!/bin/sh\nREAL='${real ?? ''}'\n${script}\n`);
  chmodSync(join(folder, name), 0o755);
  return { PATH: `${folder}:${path}` };
}

/** Running processes with their arguments, as any user of the machine may see them. */
export function processes(): { readonly pid: number; readonly words: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        return [{ pid: Number(name), words: readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ') }];
      } catch {
        return [];
      }
    });
}

/** Calls `act` with the first process whose arguments hold all the words, once it runs. */
export function whenRuns(
  words: readonly string[],
  act: (pid: number) => void,
): { stop(): void; readonly seen: boolean } {
  const state = { seen: false };
  const timer = setInterval(() => {
    const found = processes().find(
      (one) =>
        one.pid !== process.pid && !one.words.startsWith('/bin/sh') && words.every((word) => one.words.includes(word)),
    );
    if (found === undefined || state.seen) return;
    state.seen = true;
    act(found.pid);
  }, 5).unref();
  return {
    stop: () => clearInterval(timer),
    get seen() {
      return state.seen;
    },
  };
}

/** Bytes of all files below. */
export function bytesBelow(folder: string): number {
  return Number(execFileSync('du', ['-sb', folder], { encoding: 'utf8' }).split('\t')[0]);
}
