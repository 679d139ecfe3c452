import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MariadbScanner } from '../../engine/databases/mariadb-scanner.ts';
import { PostgresScanner } from '../../engine/databases/postgres-scanner.ts';

const DUMP = String.raw`--
-- PostgreSQL database dump; it's "quoted"
--

\restrict Q5B0my3zzigPKLUeo5mbYdmx

SET standard_conforming_strings = on;
CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $a$ BEGIN
COMMIT;
-- $b$ ' "
END $a$;
COMMENT ON FUNCTION f() IS 'it''s \restrict; BEGIN;';
COMMENT ON FUNCTION g() IS E'a \' quote; \\';
/* a /* nested */ ; BEGIN; */
CREATE VIEW v AS SELECT $1, a$b, 'x' AS "odd;""name";
COPY public.t (a, "b c") FROM stdin;
BEGIN;	'
\\.
\.x
COMMIT;
\.

COPY "S.x"."t;u" FROM stdin;
\.

--
-- Data for Name: BLOBS; Type: BLOBS; Schema: -; Owner: -
--

BEGIN;

SELECT pg_catalog.lowrite(0, '\xdeadbeef');

COMMIT;

-- PostgreSQL database dump complete
--

\unrestrict Q5B0my3zzigPKLUeo5mbYdmx

`;

function scan(
  text: string,
  restoring: boolean,
  cuts: readonly number[] = [],
): { out: string; scanner: PostgresScanner } {
  const scanner = new PostgresScanner({ restoring });
  const bytes = Buffer.from(text, 'latin1');
  const ends = [...new Set(cuts.map((cut) => cut % bytes.length)), bytes.length].sort((a, b) => a - b);
  let at = 0;
  let out = '';
  for (const end of ends) {
    const piece = Buffer.from(bytes.subarray(at, end));
    for (const part of scanner.feed(piece)) out += part.toString('latin1');
    // The producer uses its memory again.
    piece.fill(0);
    at = end;
  }
  return { out, scanner };
}

const stored = DUMP.replace(/\\(?:un)?restrict Q.*\n/g, '');
const restored = stored.replace('\nBEGIN;\n\nSELECT', '\n\n\nSELECT').replace("');\n\nCOMMIT;\n", "');\n\n\n");

test('a dump is stored without the keys of the night, and restored without transactions of its own', () => {
  const kept = scan(DUMP, false);
  assert.equal(kept.out, stored);
  assert.ok(kept.scanner.isBetweenStatements);
  assert.deepEqual(kept.scanner.rows.list, [
    { table: 'public.t', rows: 4 },
    { table: '"S.x"."t;u"', rows: 0 },
  ]);
  assert.equal(scan(stored, true).out, restored);
});

test('where pieces begin and end makes no difference', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(DUMP.length), { maxLength: 30 }), fc.boolean(), (cuts, restoring) => {
      const { out, scanner } = scan(restoring ? stored : DUMP, restoring, cuts);
      assert.equal(out, restoring ? restored : stored);
      assert.equal(scanner.rows.list[0]?.rows, 4);
    }),
  );
  const every = Array.from({ length: DUMP.length }, (_, at) => at);
  assert.equal(scan(DUMP, false, every).out, stored);
});

test('a command of psql in a dump is stored as it is, and never fed to psql', () => {
  for (const command of ['\\! rm -rf /\n', 'SELECT 1 \\g |sh\n', '\\connect x\n', '\\unrestrict x y\n']) {
    assert.equal(scan(`SET a = 1;\n${command}`, false).out, `SET a = 1;\n${command}`);
    assert.throws(() => scan(`SET a = 1;\n${command}`, true), { code: 'DATABASE_FAILED' });
  }
});

test('a dump that stops in its middle is seen to', () => {
  for (const end of [
    stored.indexOf('END $a$'),
    stored.indexOf('\\.x'),
    stored.indexOf('AS SELECT'),
    stored.indexOf('nested'),
  ]) {
    assert.equal(scan(stored.slice(0, end), false).scanner.isBetweenStatements, false);
  }
});

test('rows of MariaDB are counted line by line, and nothing in a routine is one', () => {
  const dump = [
    'INSERT INTO `a``b` VALUES',
    "(1,'x\\n(2,3),'),",
    "(2,');');",
    'UNLOCK TABLES;',
    'INSERT INTO `c` VALUES',
    '(1);',
    'INSERT INTO `c` VALUES',
    '(2);',
    'DELIMITER ;;',
    'CREATE PROCEDURE p() BEGIN',
    'INSERT INTO `c` VALUES',
    '(3);',
    'END ;;',
    'DELIMITER ;',
    'INSERT INTO `old` VALUES (1),(2);',
    '-- Dump completed',
    '',
  ].join('\n');
  fc.assert(
    fc.property(fc.array(fc.nat(dump.length), { maxLength: 20 }), (cuts) => {
      const scanner = new MariadbScanner();
      const ends = [...cuts, dump.length].sort((a, b) => a - b);
      for (const [index, end] of ends.entries()) scanner.feed(Buffer.from(dump.slice(ends[index - 1] ?? 0, end)));
      assert.deepEqual(scanner.rows.list, [
        { table: 'a`b', rows: 2 },
        { table: 'c', rows: 2 },
      ]);
      assert.ok(scanner.isBetweenStatements);
    }),
  );
});
