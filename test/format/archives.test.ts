import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { GIB } from '../../engine/base/limits.ts';
import type { ArchiveEntry } from '../../engine/format/archive-entry.ts';
import { encodeTarEnd, encodeTarEntry, formatPaxTime, TAR_BLOCK_BYTES } from '../../engine/format/archive-tar.ts';
import {
  decodePaxRecords,
  decodeTarHeader,
  decodeTarNumber,
  looksLikeTar,
  parsePaxTime,
  tarEntry,
} from '../../engine/format/archive-tar-reader.ts';
import {
  encodeZipCentral,
  encodeZipDescriptor,
  encodeZipEnd,
  encodeZipLocal,
  zipEntryBytes,
} from '../../engine/format/archive-zip.ts';
import {
  decodeZip64End,
  decodeZip64Locator,
  decodeZipCentral,
  decodeZipEnd,
  findZipEnd,
} from '../../engine/format/archive-zip-reader.ts';

const PLAIN: ArchiveEntry = {
  path: Buffer.from('folder/file'),
  type: 'file',
  mode: 0o644,
  uid: 1000,
  gid: 100,
  user: 'anna',
  group: 'users',
  size: 0,
  mtime: { seconds: 1_600_000_000, nanoseconds: 0 },
  linkTarget: undefined,
  device: undefined,
  attributes: [],
  regions: undefined,
};

function throughTar(entry: ArchiveEntry): ArchiveEntry | undefined {
  const bytes = encodeTarEntry(entry);
  const first = decodeTarHeader(bytes.subarray(0, TAR_BLOCK_BYTES));
  if (first.type !== 'x') return tarEntry(first, new Map(), undefined);
  const records = decodePaxRecords(bytes.subarray(TAR_BLOCK_BYTES, TAR_BLOCK_BYTES + first.size));
  return tarEntry(decodeTarHeader(bytes.subarray(bytes.length - TAR_BLOCK_BYTES)), records, undefined);
}

const name = fc
  .uint8Array({ minLength: 1, maxLength: 200 })
  .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x61 : byte))));
const entries = fc.record({
  path: name,
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.integer({ min: 0, max: 0xffff_ffff }),
  gid: fc.integer({ min: 0, max: 0xffff_ffff }),
  user: fc.option(
    fc.string({ minLength: 1, unit: 'grapheme' }).filter((text) => !text.includes('\0')),
    { nil: undefined },
  ),
  size: fc.integer({ min: 0, max: 2 ** 52 }),
  mtime: fc.record({
    seconds: fc.integer({ min: -(10 ** 12), max: 10 ** 12 }),
    nanoseconds: fc.integer({ min: 0, max: 999_999_999 }),
  }),
  attributes: fc.array(
    fc.record({ name, value: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)) }),
    {
      maxLength: 3,
    },
  ),
});

test('a tar header with its extended one gives back what went in: any bytes, any times, any numbers', () => {
  fc.assert(
    fc.property(entries, (fields) => {
      const mtime = { ...fields.mtime };
      const attributes = [
        ...new Map(fields.attributes.map((one) => [one.name.toString('latin1'), { ...one }])).values(),
      ];
      const entry: ArchiveEntry = { ...PLAIN, ...fields, mtime, attributes };
      assert.deepEqual(throughTar(entry), entry);
    }),
  );
});

test('times in pax records are exact, and what has more places is cut off towards the past', () => {
  for (const seconds of [0, 1, -1, -1_000_000_000, 253_402_300_800]) {
    for (const nanoseconds of [0, 1, 100, 500_000_000, 999_999_999]) {
      const time = { seconds, nanoseconds };
      assert.deepEqual(parsePaxTime(Buffer.from(formatPaxTime(time))), time, formatPaxTime(time));
    }
  }
  assert.equal(formatPaxTime({ seconds: -1, nanoseconds: 500_000_000 }), '-0.5');
  assert.deepEqual(parsePaxTime(Buffer.from('1.0000000019')), { seconds: 1, nanoseconds: 1 });
  assert.deepEqual(parsePaxTime(Buffer.from('-1.0000000001')), { seconds: -2, nanoseconds: 999_999_999 });
  for (const text of ['', '.', 'x', '1e5', '--1', '1.2.3', ' 1']) {
    assert.throws(() => parsePaxTime(Buffer.from(text)), { code: 'ARCHIVE_INVALID' }, text);
  }
});

test('numbers of a tar are octal or base 256; anything else is refused', () => {
  const number = (bytes: Buffer | string): number => decodeTarNumber(Buffer.from(bytes as string), 'a number');
  assert.equal(number('0000644\0'), 0o644);
  assert.equal(number('   644 \0'), 0o644);
  assert.equal(number(Buffer.alloc(8)), 0);
  assert.equal(number(Buffer.from([0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 5])), 2 ** 33 + 5);
  assert.equal(number(Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe])), -2);
  for (const bad of ['0000648\0', 'abc', '-1', Buffer.alloc(12, 0x9f)]) {
    assert.throws(() => number(bad as string), { code: 'ARCHIVE_INVALID' });
  }
});

test('records that are cut off, too long or without an end are refused', () => {
  assert.equal(decodePaxRecords(Buffer.from('12 path=abc\n')).get('path')?.toString(), 'abc');
  for (const body of [
    '12 path=ab\n',
    '13 path=abc\n',
    '0 a=b\n',
    '6 a=b',
    'x a=b\n',
    '99999999999 a=b\n',
    '6 abc\n',
    ' a=b\n',
  ]) {
    assert.throws(() => decodePaxRecords(Buffer.from(body)), { code: 'ARCHIVE_INVALID' }, body);
  }
});

test('a tar ends at a whole record, and its beginning is known by its checksum', () => {
  for (const before of [0, 512, 10_240, 10_752, 9728]) assert.equal((before + encodeTarEnd(before).length) % 10_240, 0);
  assert.ok(looksLikeTar(encodeTarEntry(PLAIN)));
  assert.ok(!looksLikeTar(Buffer.alloc(512, 0x20)));
  assert.ok(!looksLikeTar(Buffer.from('short')));
});

test('a zip holds files, offsets and counts beyond 32 and 16 bits', () => {
  const owner = { uid: 0, gid: 0 };
  for (const [bytes, compressedBytes, offset] of [
    [5, 5, 0],
    [0xffff_ffff, 10, 7],
    [9 * GIB, 8 * GIB, 7],
    [5, 5, 20 * GIB],
    [9 * GIB, 10 * GIB, 20 * GIB],
  ] as const) {
    const entry: ArchiveEntry = { ...PLAIN, size: bytes, mtime: { seconds: 1_600_000_001, nanoseconds: 123_456_700 } };
    const data = { method: 8, crc32: 0xdead_beef, compressedBytes, bytes };
    const record = encodeZipCentral(entry, data, { offset, hasDescriptor: true });
    const decoded = decodeZipCentral(record, owner, (name) => crc32(name));
    assert.deepEqual(decoded.entry, { ...entry, user: undefined, group: undefined });
    assert.deepEqual(
      [decoded.bytes, decoded.compressedBytes, decoded.offset, decoded.crc32],
      [bytes, compressedBytes, offset, 0xdead_beef],
    );
    for (const cut of [10, 46, record.length - 1]) {
      assert.throws(() => decodeZipCentral(record.subarray(0, cut), owner, () => 0), { code: 'ARCHIVE_INVALID' });
    }
  }
  assert.ok(
    encodeZipLocal({ ...PLAIN, size: 5 * GIB }, 0, undefined).length > encodeZipLocal(PLAIN, 0, undefined).length,
  );
});

test('what stands for an entry of a zip has the length that is told ahead', () => {
  const types = fc.constantFrom<ArchiveEntry['type']>('file', 'dir', 'symlink');
  const offsets = fc.oneof(fc.integer({ min: 0, max: 2 ** 52 }), fc.constantFrom(0xffff_fffe, 0xffff_ffff));
  const sizes = fc.oneof(fc.integer({ min: 0, max: 2 ** 52 }), fc.constantFrom(0xefff_ffff, 0xf000_0000, 0xffff_ffff));
  const times = fc.constantFrom(-0x8000_0001, -0x8000_0000, 0x7fff_ffff, 0x8000_0000, -12_000_000_000, 0);
  fc.assert(
    fc.property(entries, types, offsets, sizes, times, fc.boolean(), (fields, type, offset, size, seconds, isPlain) => {
      const mtime = isPlain ? { ...fields.mtime } : { seconds, nanoseconds: fields.mtime.nanoseconds % 2 };
      const linkTarget = type === 'symlink' ? Buffer.from('target') : undefined;
      const entry: ArchiveEntry = {
        ...PLAIN,
        ...fields,
        type,
        size: type === 'file' ? size : 0,
        mtime,
        linkTarget,
        attributes: [],
      };
      const hasDescriptor = type === 'file' && isPlain;
      const told = zipEntryBytes(entry, { offset, hasDescriptor });
      const data = { method: 0, crc32: 1, compressedBytes: told.data, bytes: told.data };
      assert.deepEqual(told, {
        local: encodeZipLocal(entry, 0, hasDescriptor ? undefined : data).length,
        data: type === 'file' ? size : type === 'symlink' ? 6 : 0,
        descriptor: hasDescriptor ? encodeZipDescriptor(entry, data).length : 0,
        central: encodeZipCentral(entry, data, { offset, hasDescriptor }).length,
      });
    }),
    { numRuns: 500 },
  );
});

test("a zip's end is found, with zip64's where it is needed", () => {
  for (const end of [
    { entries: 3, offset: 1000, bytes: 200 },
    { entries: 70_000, offset: 1000, bytes: 200 },
    { entries: 3, offset: 6 * GIB, bytes: 200 },
  ]) {
    const bytes = encodeZipEnd(end);
    const at = findZipEnd(Buffer.concat([Buffer.from('before'), bytes])) - 6;
    const { isZip64, ...small } = decodeZipEnd(bytes.subarray(at));
    if (!isZip64) {
      assert.deepEqual(small, end);
      continue;
    }
    const locator = decodeZip64Locator(bytes.subarray(at - 20, at));
    assert.equal(locator, end.offset + end.bytes);
    assert.deepEqual(decodeZip64End(bytes.subarray(0, 56)), end);
  }
  assert.equal(findZipEnd(Buffer.alloc(100)), -1);
});
