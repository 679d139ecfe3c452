import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteReader } from '../../engine/base/bytes.ts';
import { EngineError } from '../../engine/base/errors.ts';
import type { BlobId, PackId } from '../../engine/base/ids.ts';
import { readStat, S_IFDIR, S_IFREG, STAT_BYTES, writeStat } from '../../engine/base/stat.ts';
import {
  bytesFromJson,
  bytesToJson,
  decodeCanonicalJson,
  encodeCanonicalJson,
} from '../../engine/format/canonical-json.ts';
import {
  decodeIndexSegment,
  encodeIndexSegment,
  encodePackHeader,
  readPackHeader,
} from '../../engine/format/pack-header.ts';
import { type Content, compareRowToName, decodeRow, encodeRow, type RowFields } from '../../engine/format/row.ts';
import {
  decodeContentList,
  decodeTreePart,
  encodeBranch,
  encodeContentList,
  encodeLeaf,
} from '../../engine/format/tree-part.ts';

const buffer = (options: { minLength?: number; maxLength?: number }): fc.Arbitrary<Buffer> =>
  fc.uint8Array(options).map((bytes) => Buffer.from(bytes));
const blobId = buffer({ minLength: 16, maxLength: 16 }) as fc.Arbitrary<BlobId>;
/** Records as object literals are: with a prototype. */
function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;
}

const uint32 = fc.nat({ max: 2 ** 32 - 1 });
/** Far before year 0 and far after 9999. */
const time = record({
  seconds: fc.integer({ min: -(2 ** 45), max: 2 ** 45 }),
  nanoseconds: fc.nat({ max: 999_999_999 }),
});
const name = buffer({ minLength: 1, maxLength: 255 }).filter(
  (bytes) => !bytes.includes(0) && !bytes.includes(0x2f) && !['.', '..'].includes(bytes.toString('latin1')),
);
const length = fc.integer({ min: 1, max: 2 ** 40 });
const entry = record({ length, blobId: fc.option(blobId, { nil: undefined }) });

const content: fc.Arbitrary<{ content: Content; size: number; type: number }> = fc.oneof(
  fc.constant({ content: { kind: 'none' as const }, size: 0, type: S_IFREG }),
  fc
    .tuple(blobId, length)
    .map(([id, size]) => ({ content: { kind: 'single' as const, blobId: id }, size, type: S_IFREG })),
  fc.array(entry, { minLength: 1, maxLength: 20 }).map((entries) => ({
    content: { kind: 'list' as const, entries },
    size: entries.reduce((sum, { length: bytes }) => sum + bytes, 0),
    type: S_IFREG,
  })),
  record({ treeId: blobId, filesBelow: fc.nat({ max: 2 ** 31 - 1 }), bytesBelow: fc.nat({ max: 2 ** 31 - 1 }) }).map(
    (tree) => ({ content: { kind: 'tree' as const, ...tree }, size: 0, type: S_IFDIR }),
  ),
);

const rowFields: fc.Arbitrary<RowFields> = record({
  name,
  content,
  mode: fc.nat({ max: 0o7777 }),
  uid: uint32,
  gid: uint32,
  links: uint32,
  inode: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  mtime: time,
  ctime: time,
  crc32: fc.option(uint32, { nil: undefined }),
  attributes: fc.uniqueArray(
    record({ name: buffer({ minLength: 1, maxLength: 30 }), value: buffer({ maxLength: 50 }) }),
    {
      maxLength: 4,
      selector: (attribute) => attribute.name.toString('latin1'),
    },
  ),
  unstable: fc.boolean(),
}).map(({ content: made, mode, uid, gid, links, inode, mtime, ctime, attributes, ...rest }) => {
  const stat = Buffer.alloc(STAT_BYTES);
  writeStat(stat, 0, { mode: made.type | mode, uid, gid, links, inode, size: made.size, mtime, ctime });
  const isFile = made.type === S_IFREG;
  return {
    ...rest,
    crc32: isFile && made.size > 0 ? rest.crc32 : undefined,
    unstable: isFile && rest.unstable,
    stat,
    content: made.content,
    attributes: attributes.sort((a, b) => a.name.compare(b.name)),
  };
});

/** Refused as damage, or accepted as the one encoding of what it says. */
function assertStrict<T>(bytes: Buffer, decode: (bytes: Buffer) => T, encode: (value: T) => Buffer): void {
  let value: T;
  try {
    value = decode(bytes);
  } catch (error) {
    assert.ok(error instanceof EngineError && error.code === 'OBJECT_CORRUPT', String(error));
    return;
  }
  assert.ok(encode(value).equals(bytes), 'two encodings of one value');
}

const reencode = (row: Buffer): Buffer => {
  const node = decodeRow(row, 'row');
  return encodeRow({ ...node, stat: row.subarray(4, 4 + STAT_BYTES) });
};

test('trap 28: rows round-trip with extreme times, ids and names', () => {
  fc.assert(
    fc.property(rowFields, (fields) => {
      const row = encodeRow(fields);
      const node = decodeRow(row, 'row');
      const stat = readStat(fields.stat, 0);
      assert.deepEqual(
        [node.mtime, node.ctime, node.uid, node.gid, node.inode],
        [stat.mtime, stat.ctime, stat.uid, stat.gid, stat.inode],
      );
      assert.ok(node.name.equals(fields.name));
      assert.deepEqual(node.content, fields.content);
      assert.equal(node.crc32, fields.crc32);
      assert.deepEqual(node.attributes, fields.attributes);
      assert.equal(node.unstable, fields.unstable);
      assert.ok(reencode(row).equals(row));
    }),
    { numRuns: 300 },
  );
});

test('a row that is cut or has one bit flipped is refused, or is the encoding of another row', () => {
  fc.assert(
    fc.property(rowFields, fc.nat(), fc.nat({ max: 7 }), (fields, place, bit) => {
      const row = encodeRow(fields);
      assertStrict(row.subarray(0, place % row.length), reencode, (again) => again);
      const flipped = Buffer.from(row);
      flipped[place % row.length] = (flipped[place % row.length] ?? 0) ^ (1 << bit);
      assertStrict(flipped, reencode, (again) => again);
      assertStrict(Buffer.concat([row, Buffer.from([0])]), reencode, (again) => again);
    }),
    { numRuns: 500 },
  );
});

test('leaves hold rows in order, each name once; branches and content lists round-trip', () => {
  fc.assert(
    fc.property(fc.array(rowFields, { maxLength: 10 }), (all) => {
      const unique = [...new Map(all.map((fields) => [fields.name.toString('latin1'), fields])).values()];
      const rows = unique.sort((a, b) => a.name.compare(b.name)).map(encodeRow);
      const part = decodeTreePart(encodeLeaf(rows.length, rows), 'leaf');
      assert.ok(part.kind === 'leaf' && part.rowCount === rows.length);
      if (rows.length < 2) return;
      const refused = (bad: readonly Buffer[]): void => {
        assert.throws(() => decodeTreePart(encodeLeaf(bad.length, bad), 'leaf'), EngineError);
      };
      refused([...rows].reverse());
      refused([rows[0] ?? Buffer.alloc(0), ...rows]);
    }),
    { numRuns: 100 },
  );
  fc.assert(
    fc.property(fc.array(entry, { minLength: 1, maxLength: 50 }), (entries) => {
      const encoded = encodeContentList({ depth: 0, entries });
      assert.deepEqual(decodeContentList(encoded, 'list'), { depth: 0, entries });
      assertStrict(
        encoded.subarray(0, encoded.length - 1),
        (bytes) => decodeContentList(bytes, 'list'),
        (list) => encodeContentList(list),
      );
    }),
    { numRuns: 100 },
  );
  const treeId = Buffer.alloc(16, 7) as BlobId;
  const entries = ['a', 'b', 'c'].map((first) => ({ name: Buffer.from(first), treeId, rows: 5 }));
  const branch = decodeTreePart(encodeBranch(1, entries), 'branch');
  assert.ok(branch.kind === 'branch');
  assert.deepEqual(branch.entries, entries);
});

const frame = record({
  codec: fc.constantFrom(0 as const, 1 as const),
  padding: fc.nat({ max: 5000 }),
  blobs: fc.array(record({ blobId, length: fc.integer({ min: 1, max: 300_000 }) }), {
    minLength: 1,
    maxLength: 8,
  }),
}).map(({ codec, padding, blobs }) => {
  const plain = blobs.reduce((sum, { length: bytes }) => sum + bytes, 0);
  const codedLength = codec === 0 ? plain : Math.max(1, plain >> 1);
  return { codec, codedLength, sealedLength: codedLength + padding + 16, blobs };
});

test('pack headers and index segments round-trip, and offsets follow from lengths', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('data' as const, 'tree' as const),
      fc.array(frame, { minLength: 1, maxLength: 6 }),
      (kind, frames) => {
        const record = encodePackHeader({ kind, frames });
        const table = readPackHeader(new ByteReader(record, 'header'));
        assert.equal(table.kind, kind);
        assert.equal(table.frameCount, frames.length);
        assert.equal(
          table.blobCount,
          frames.reduce((sum, { blobs }) => sum + blobs.length, 0),
        );
        let offset = 24;
        frames.forEach(({ sealedLength }, number) => {
          assert.equal(table.frameOffset[number], offset);
          offset += sealedLength;
        });
        const packs = [{ packId: 'ab'.repeat(16) as PackId, packLength: 1_000_000, headerRecord: record }];
        const segment = encodeIndexSegment(packs);
        assert.equal(decodeIndexSegment(segment, 'segment')[0]?.table.blobCount, table.blobCount);
        assert.throws(() => decodeIndexSegment(Buffer.concat([segment, Buffer.from([0])]), 'segment'), EngineError);
        for (let cut = 0; cut < segment.length; cut += 1 + (segment.length >> 5)) {
          assert.throws(() => decodeIndexSegment(segment.subarray(0, cut), 'segment'), EngineError);
        }
      },
    ),
    { numRuns: 100 },
  );
});

test('canonical JSON has one encoding, and refuses every other one of the same value', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })), (value) => {
      // Negative zero has no text of its own.
      const plain = JSON.parse(JSON.stringify(value)) as { [key: string]: never };
      const bytes = encodeCanonicalJson(plain);
      assert.deepEqual(decodeCanonicalJson(bytes, 'json'), plain);
      assert.throws(() => decodeCanonicalJson(Buffer.concat([bytes, Buffer.from(' ')]), 'json'), EngineError);
    }),
    { numRuns: 200 },
  );
  for (const text of [
    '{"b":1,"a":2}',
    '{"a": 1}',
    '{"a":1.0}',
    '{"a":1,"a":1}',
    '[1]',
    '',
    'null',
    '{"a":"\\u0041"}',
    '{"a":{"c":1,"b":2}}',
    '{"a":[{"c":1,"b":2}]}',
    // Keys that look like numbers are sorted as texts.
    '{"9":1,"10":2}',
  ]) {
    assert.throws(() => decodeCanonicalJson(Buffer.from(text), 'json'), EngineError, text);
  }
  assert.deepEqual(decodeCanonicalJson(Buffer.from('{"10":2,"9":1,"a":{"1000":1,"33":2}}'), 'json')['9'], 1);
  assert.throws(() => decodeCanonicalJson(Buffer.from('{"a":"\xff"}', 'latin1'), 'json'), EngineError, 'not UTF-8');
  fc.assert(
    fc.property(buffer({ maxLength: 40 }), (bytes) => {
      assert.ok(bytesFromJson(bytesToJson(bytes), 'bytes').equals(bytes));
    }),
  );
});

test('the order of a row and a name is that of their bytes', () => {
  const name = fc.uint8Array({ minLength: 1, maxLength: 6, max: 3 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(name, name, (own, other) => {
      const row = encodeRow({ name: own, stat: Buffer.alloc(STAT_BYTES), content: { kind: 'none' } });
      const moved = Buffer.concat([Buffer.alloc(5, 1), row]);
      assert.equal(Math.sign(compareRowToName(moved, 5, other)), Buffer.compare(own, other));
    }),
  );
});
