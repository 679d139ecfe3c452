/** What every backend promises (engine/storage/backend.ts), as tests that each of them runs. */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type ErrorCode, isEngineError } from '../../engine/base/errors.ts';
import { type Backend, FILE_KINDS, type FileKind, listNames, type StoredFile } from '../../engine/storage/backend.ts';
import { probeBackend } from '../../engine/storage/probe.ts';
import { Random } from '../support/random.ts';

export type MakeBackend = (t: TestContext) => Promise<Backend>;

export function nameOf(kind: FileKind, number: number): string {
  if (kind === 'config') return number === 0 ? 'config' : 'config.copy';
  const digits = kind === 'key' || kind === 'pack' ? 32 : 64;
  // The first byte differs, so that packs lie in folders of their own.
  return ((number * 37) % 256).toString(16).padStart(2, '0') + number.toString(16).padStart(digits - 2, '0');
}

export async function listed(backend: Backend, kind: FileKind): Promise<StoredFile[]> {
  const files: StoredFile[] = [];
  for await (const file of backend.list(kind)) files.push(file);
  const names: string[] = [];
  for await (const name of listNames(backend, kind)) names.push(name);
  assert.deepEqual(names.sort(), files.map(({ name }) => name).sort(), 'both listings say the same');
  return files.sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function throwsCode(act: () => Promise<unknown>, code: ErrorCode): Promise<void> {
  return assert.rejects(act, (error) => {
    assert.ok(isEngineError(error, code), `${code} expected: ${String(error)}`);
    return true;
  });
}

export function contractTests(backendName: string, make: MakeBackend): void {
  for (const kind of FILE_KINDS) {
    test(`${backendName}: a ${kind} file reads back as it was written, is listed, and goes when it is removed`, async (t) => {
      const backend = await make(t);
      const [name, other] = [nameOf(kind, 0), nameOf(kind, 1)];
      const before = Date.now();
      await backend.write(kind, name, [Buffer.from('one '), Buffer.alloc(0), Buffer.from('two')]);
      await backend.write(kind, other, []);
      assert.equal((await backend.read(kind, name)).toString(), 'one two');
      assert.equal((await backend.read(kind, other)).length, 0);
      assert.equal(await backend.size(kind, name), 7);
      assert.equal(await backend.size(kind, other), 0);
      const files = await listed(backend, kind);
      assert.deepEqual(
        files.map((file) => [file.name, file.bytes]),
        [[name, 7] as const, [other, 0] as const].sort(),
      );
      for (const { modifiedMs } of files) assert.ok(Math.abs(modifiedMs - before) < 60_000);
      for (const otherKind of FILE_KINDS)
        if (otherKind !== kind) assert.deepEqual(await listed(backend, otherKind), []);
      await backend.remove(kind, name);
      await backend.remove(kind, name);
      assert.equal(await backend.size(kind, name), undefined);
      assert.deepEqual(
        (await listed(backend, kind)).map((file) => file.name),
        [other],
      );
    });
  }

  test(`${backendName}: invariant 1: a name that is taken is refused and keeps its bytes`, async (t) => {
    const backend = await make(t);
    const name = nameOf('snapshot', 1);
    await backend.write('snapshot', name, [Buffer.from('first')]);
    for (const bytes of ['second', 'first', '']) {
      await throwsCode(() => backend.write('snapshot', name, [Buffer.from(bytes)]), 'OBJECT_EXISTS');
    }
    assert.equal((await backend.read('snapshot', name)).toString(), 'first');
    await backend.remove('snapshot', name);
    await backend.write('snapshot', name, [Buffer.from('again')]);
    assert.equal((await backend.read('snapshot', name)).toString(), 'again');
  });

  test(`${backendName}: invariant 1: of many writers of one name exactly one wins, and its bytes are whole`, async (t) => {
    const backend = await make(t);
    for (let round = 0; round < 5; round++) {
      const name = nameOf('pack', round);
      const bodies = Array.from({ length: 16 }, (_, writer) => Buffer.alloc(100_000 + writer, writer));
      const outcomes = await Promise.allSettled(bodies.map((body) => backend.write('pack', name, [body])));
      const winners = outcomes.flatMap(({ status }, writer) => (status === 'fulfilled' ? [writer] : []));
      assert.equal(winners.length, 1);
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') assert.ok(isEngineError(outcome.reason, 'OBJECT_EXISTS'), outcome.reason);
      }
      assert.ok((await backend.read('pack', name)).equals(bodies[winners[0] ?? 0] ?? Buffer.alloc(0)));
    }
  });

  test(`${backendName}: a file that is written piece by piece has no name before it is whole, and none when given up`, async (t) => {
    const backend = await make(t);
    if (backend.begin === undefined) return t.skip('takes whole files only');
    const [name, other] = [nameOf('pack', 1), nameOf('pack', 2)];
    const file = await backend.begin('pack', name);
    await file.append([Buffer.from('some '), Buffer.alloc(0)]);
    await file.append([]);
    await file.append([Buffer.from('by'), Buffer.from('tes')]);
    assert.deepEqual(await listed(backend, 'pack'), []);
    assert.equal(await backend.size('pack', name), undefined);
    await file.finish();
    assert.equal((await backend.read('pack', name)).toString(), 'some bytes');
    await file.abandon();
    assert.equal((await backend.read('pack', name)).toString(), 'some bytes', 'what is finished is not given up');
    await throwsCode(() => file.append([Buffer.from('more')]), 'STORAGE_FAILED');
    assert.equal((await backend.read('pack', name)).toString(), 'some bytes');

    const given = await backend.begin('pack', other);
    await given.append([Buffer.from('half')]);
    await given.abandon();
    await given.abandon();
    await throwsCode(() => given.finish(), 'STORAGE_FAILED');
    assert.equal(await backend.size('pack', other), undefined);

    const late = await backend.begin('pack', name);
    await late.append([Buffer.from('others')]);
    await throwsCode(() => late.finish(), 'OBJECT_EXISTS');
    assert.equal((await backend.read('pack', name)).toString(), 'some bytes');
  });

  test(`${backendName}: what is missing is OBJECT_MISSING, a range past the end OBJECT_CORRUPT`, async (t) => {
    const backend = await make(t);
    const name = nameOf('pack', 1);
    await throwsCode(() => backend.read('pack', name), 'OBJECT_MISSING');
    await throwsCode(() => backend.read('pack', name, { offset: 0, length: 0 }), 'OBJECT_MISSING');
    assert.equal(await backend.size('pack', name), undefined);
    await backend.write('pack', name, [Buffer.from('0123456789')]);
    await throwsCode(() => backend.read('pack', name, { offset: 5, length: 6 }), 'OBJECT_CORRUPT');
    await throwsCode(() => backend.read('pack', name, { offset: 11, length: 0 }), 'OBJECT_CORRUPT');
  });

  test(`${backendName}: whole files of any length are read whole`, async (t) => {
    const backend = await make(t);
    const bytes = new Random(13).bytes(3 * 4096);
    for (const [number, length] of [1, 4095, 4096, 4097, 8192, bytes.length].entries()) {
      const name = nameOf('pack', number);
      await backend.write('pack', name, [bytes.subarray(0, length)]);
      assert.ok((await backend.read('pack', name)).equals(bytes.subarray(0, length)), `${length} bytes`);
    }
  });

  test(`${backendName}: memory that is offered gets those bytes or none, and none beside them`, async (t) => {
    const backend = await make(t);
    const bytes = new Random(12).bytes(1000);
    const name = nameOf('pack', 1);
    await backend.write('pack', name, [bytes]);
    for (const room of [0, 99, 100, 101]) {
      const memory = Buffer.alloc(room + 1, 0xee);
      const part = await backend.read('pack', name, { offset: 7, length: 100, into: memory.subarray(0, room) });
      assert.ok(part.equals(bytes.subarray(7, 107)), `${room} bytes of room`);
      part.fill(0xee);
      assert.ok(memory.every((byte) => byte === 0xee));
    }
  });

  test(`${backendName}: any range is exactly those bytes, and they belong to the caller`, async (t) => {
    const backend = await make(t);
    const random = new Random(11);
    const bytes = random.bytes(200_000);
    const name = nameOf('pack', 1);
    await backend.write('pack', name, [bytes]);
    for (let round = 0; round < 50; round++) {
      const offset = random.below(bytes.length + 1);
      const length = random.below(bytes.length - offset + 1);
      const part = await backend.read('pack', name, { offset, length });
      assert.ok(part.equals(bytes.subarray(offset, offset + length)), `${length} at ${offset}`);
      part.fill(0);
    }
    assert.ok((await backend.read('pack', name)).equals(bytes));
    assert.ok((await backend.read('pack', name, { offset: bytes.length, length: 0 })).equals(Buffer.alloc(0)));
  });

  test(`${backendName}: what was handed over may change once the write has ended`, async (t) => {
    const backend = await make(t);
    const part = Buffer.alloc(1000, 1);
    await backend.write('pack', nameOf('pack', 1), [part]);
    part.fill(2);
    assert.ok((await backend.read('pack', nameOf('pack', 1))).equals(Buffer.alloc(1000, 1)));
  });

  test(`${backendName}: a file of many parts, and one of many MiB, is whole`, async (t) => {
    const backend = await make(t);
    const parts = Array.from({ length: 3000 }, (_, number) => Buffer.alloc(number % 40, number));
    await backend.write('index', nameOf('index', 1), parts);
    assert.ok((await backend.read('index', nameOf('index', 1))).equals(Buffer.concat(parts)));
    const block = new Random(12).bytes(1024 * 1024);
    await backend.write('pack', nameOf('pack', 1), new Array<Buffer>(96).fill(block));
    assert.equal(await backend.size('pack', nameOf('pack', 1)), 96 * block.length);
    const range = { offset: 63 * block.length - 10, length: 20 };
    const expected = Buffer.concat([block.subarray(-10), block.subarray(0, 10)]);
    assert.ok((await backend.read('pack', nameOf('pack', 1), range)).equals(expected));
  });

  test(`${backendName}: a listing of many files has each once`, async (t) => {
    const backend = await make(t);
    const names = Array.from({ length: 300 }, (_, number) => nameOf('pack', number)).sort();
    await Promise.all(names.map((name) => backend.write('pack', name, [Buffer.from(name)])));
    assert.deepEqual(
      (await listed(backend, 'pack')).map((file) => file.name),
      names,
    );
  });

  test(`${backendName}: no name leads anywhere else`, async (t) => {
    const backend = await make(t);
    for (const name of ['../config', '', '.', 'a'.repeat(31), `${'a'.repeat(31)}/`, `${'A'.repeat(32)}`, 'config\0']) {
      for (const kind of ['pack', 'config'] as const) {
        await throwsCode(() => backend.write(kind, name, []), 'INVALID_ARGUMENT');
        await throwsCode(() => backend.read(kind, name), 'INVALID_ARGUMENT');
        await throwsCode(() => backend.size(kind, name), 'INVALID_ARGUMENT');
        await throwsCode(() => backend.remove(kind, name), 'INVALID_ARGUMENT');
      }
    }
  });

  test(`${backendName}: trap 31: it passes the probe and keeps nothing of it`, async (t) => {
    const backend = await make(t);
    await probeBackend(backend);
    for (const kind of FILE_KINDS) assert.deepEqual(await listed(backend, kind), []);
  });
}
