/** Keys, the config, and what a client remembers of a repository. */

import assert from 'node:assert/strict';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type ErrorCode, isEngineError } from '../../engine/base/errors.ts';
import type { KeyId } from '../../engine/base/ids.ts';
import { encodeKeyFile, keyCopyName } from '../../engine/format/config.ts';
import { backup } from '../../engine/operations/backup/backup.ts';
import { type Credential, loadKeyFiles, removeKeyFile, writeKeyFile } from '../../engine/repository/keys.ts';
import { Repository } from '../../engine/repository/repository.ts';
import type { Backend } from '../../engine/storage/backend.ts';
import { MemoryBackend } from '../../engine/storage/memory.ts';
import { listed } from '../storage/contract.ts';
import { testFolder } from '../support/build-repository.ts';
import {
  FailingListing,
  FailingReads,
  MissingFile,
  OverwritingBackend,
  ReplacedFile,
} from '../support/faulty-backend.ts';

const CHEAP = { memoryKiB: 64, iterations: 1, parallelism: 1 };
const NONE: Credential = { type: 'none' };

function password(text: string): Credential {
  return { type: 'password', password: Buffer.from(text) };
}

function fails(code: ErrorCode): (error: unknown) => boolean {
  return (error) => {
    assert.ok(isEngineError(error, code), String(error));
    return true;
  };
}

async function made(
  t: TestContext,
  credential = password('first'),
): Promise<{ backend: MemoryBackend; repository: Repository; cacheDirectory: string }> {
  const backend = new MemoryBackend();
  const cacheDirectory = testFolder(t);
  const repository = await Repository.init({ backend, credential, cacheDirectory, passwordCost: CHEAP });
  return { backend, repository, cacheDirectory };
}

function opening(backend: Backend, cacheDirectory: string, credential: Credential): Promise<Repository> {
  return Repository.open({ backend, credential, cacheDirectory });
}

test('what comes next is loaded while a key is derived: once, before the key is there, and its failure is no matter', async (t) => {
  const { backend, repository, cacheDirectory } = await made(t, password('first'));
  await repository.addKey({ credential: password('second'), cost: CHEAP });
  let calls = 0;
  let isOpen = false;
  const meanwhile = async (): Promise<void> => {
    calls++;
    assert.equal(isOpen, false);
    throw new Error('it cannot be loaded');
  };
  for (const text of ['first', 'second']) {
    isOpen = false;
    calls = 0;
    await Repository.open({ backend, credential: password(text), cacheDirectory, meanwhile });
    isOpen = true;
    assert.equal(calls, 1, text);
  }
});

test('every password opens the same repository, a wrong one none', async (t) => {
  const { backend, repository, cacheDirectory } = await made(t);
  const { secrets } = repository.keys;
  const second = await repository.addKey({ credential: password('second'), label: 'for the server', cost: CHEAP });
  await repository.addKey({ credential: password('pässwörd \u{1f511}'), cost: CHEAP });
  for (const text of ['first', 'second', 'pässwörd \u{1f511}']) {
    const opened = await opening(backend, cacheDirectory, password(text));
    assert.deepEqual(opened.keys.secrets, secrets);
  }
  for (const text of ['', 'First', 'first ', 'third']) {
    await assert.rejects(opening(backend, cacheDirectory, password(text)), fails('PASSWORD_WRONG'));
  }
  await assert.rejects(opening(backend, cacheDirectory, NONE), fails('PASSWORD_WRONG'));
  const keys = await repository.listKeys();
  assert.deepEqual(keys.map(({ label }) => label).sort(), ['', '', 'for the server']);
  assert.equal(keys.find(({ id }) => id === second.id)?.protection, 'password');
  assert.equal((await opening(backend, cacheDirectory, password('second'))).keyId, second.id);
});

test('a key that asks for more than any password is derived with is damage, and others open', async (t) => {
  const { backend, repository, cacheDirectory } = await made(t);
  const [first] = (await loadKeyFiles(backend)).keys;
  assert.ok(first !== undefined && first.kdf.type === 'argon2id');
  await removeKeyFile(backend, first.id);
  await writeKeyFile(backend, { ...first, kdf: { ...first.kdf, memoryKiB: 9_000_000 } });
  await repository.addKey({ credential: password('second'), cost: CHEAP });
  await opening(backend, cacheDirectory, password('second'));
  await assert.rejects(opening(backend, cacheDirectory, password('first')), fails('PASSWORD_WRONG'));
  const { keys, damage } = await loadKeyFiles(backend);
  assert.equal(keys.length, 1);
  assert.deepEqual(
    damage.map(({ error }) => error.code),
    ['OBJECT_CORRUPT', 'OBJECT_CORRUPT'],
  );
});

test('trap 10: a key file whose words were changed does not open, and one changed copy costs nothing', async (t) => {
  const { backend, repository, cacheDirectory } = await made(t);
  const [key] = (await loadKeyFiles(backend)).keys;
  assert.ok(key !== undefined && key.version === 2);
  for (const words of [
    { label: 'another' },
    { host: 'another' },
    { created: '2001-01-01T00:00:00.000Z' },
    { version: 1 },
  ]) {
    const bytes = encodeKeyFile({ ...key, ...words });
    for (const name of [key.id, keyCopyName(key.id)]) {
      const one = new ReplacedFile(backend, { kind: 'key', name, bytes });
      await opening(one, cacheDirectory, password('first'));
      assert.deepEqual(
        (await loadKeyFiles(one)).damage.map(({ error }) => error.code),
        ['OBJECT_CORRUPT'],
      );
      await assert.rejects(
        opening(one, cacheDirectory, password('first')).then((opened) => opened.removeKey(key.id)),
        fails('KEY_LAST'),
      );
      const both = new ReplacedFile(one, { kind: 'key', name: keyCopyName(name as KeyId), bytes });
      await assert.rejects(opening(both, cacheDirectory, password('first')), fails('PASSWORD_WRONG'));
    }
  }
  assert.equal((await repository.listKeys()).length, 1);
});

test('a removed key opens nothing any more; the last one stays', async (t) => {
  const { backend, repository, cacheDirectory } = await made(t);
  const second = await repository.addKey({ credential: password('second'), cost: CHEAP });
  await assert.rejects(repository.removeKey('no such'), fails('KEY_NOT_FOUND'));
  await assert.rejects(repository.removeKey(''), fails('KEY_NOT_FOUND'));
  assert.equal((await repository.removeKey(repository.keyId.slice(0, 12))).id, repository.keyId);
  await assert.rejects(opening(backend, cacheDirectory, password('first')), fails('PASSWORD_WRONG'));
  await opening(backend, cacheDirectory, password('second'));
  await assert.rejects(repository.removeKey(second.id), fails('KEY_LAST'));
  await opening(backend, cacheDirectory, password('second'));
});

test('an empty password is refused for a new key', async (t) => {
  const { repository } = await made(t);
  await assert.rejects(repository.addKey({ credential: password(''), cost: CHEAP }), fails('PASSWORD_MISSING'));
});

test('a repository without a password opens without one, and says so to whoever gives one', async (t) => {
  const { backend, cacheDirectory } = await made(t, NONE);
  await opening(backend, cacheDirectory, NONE);
  await assert.rejects(opening(backend, cacheDirectory, password('first')), fails('PASSWORD_WRONG'));
});

test('one damaged or missing copy of config or key costs nothing, and is named; two are refused', async (t) => {
  const { backend, repository, cacheDirectory } = await made(t);
  const copies = {
    config: ['config', 'config.copy'],
    key: [repository.keyId, keyCopyName(repository.keyId)],
  } as const;
  for (const kind of ['config', 'key'] as const) {
    const [first, second] = copies[kind];
    const whole = await backend.read(kind, first);
    for (let at = 0; at < whole.length; at++) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
      for (const name of copies[kind]) {
        const one = new ReplacedFile(backend, { kind, name, bytes });
        if (kind === 'key') assert.equal((await loadKeyFiles(one)).damage.length, 1);
        if (at % 16 === 0) await opening(one, cacheDirectory, password('first'));
      }
      if (at % 16 !== 0) continue;
      const both = new ReplacedFile(new ReplacedFile(backend, { kind, name: first, bytes }), {
        kind,
        name: second,
        bytes,
      });
      await assert.rejects(opening(both, cacheDirectory, password('first')), fails('OBJECT_CORRUPT'));
    }
    for (const name of copies[kind])
      await opening(new MissingFile(backend, { kind, name }), cacheDirectory, password('first'));
  }
});

test('a store without a config is no repository; a listing that fails is not an empty one', async (t) => {
  const { backend, cacheDirectory } = await made(t);
  await assert.rejects(opening(new MemoryBackend(), cacheDirectory, NONE), fails('REPOSITORY_NOT_FOUND'));
  await assert.rejects(
    opening(new FailingListing(backend, 'key'), cacheDirectory, password('first')),
    fails('STORAGE_FAILED'),
  );
});

test('init leaves a repository that is there as it is', async (t) => {
  const { backend, cacheDirectory } = await made(t);
  const options = { backend, credential: password('other'), cacheDirectory, passwordCost: CHEAP };
  await assert.rejects(Repository.init(options), fails('REPOSITORY_EXISTS'));
  let without: Backend = backend;
  for (const name of ['config', 'config.copy']) without = new MissingFile(without, { kind: 'config', name });
  await assert.rejects(Repository.init({ ...options, backend: without }), fails('REPOSITORY_EXISTS'));
  await opening(backend, cacheDirectory, password('first'));
});

test('a repository that was swapped for another one is refused, not fed', async (t) => {
  const { backend, cacheDirectory } = await made(t);
  const other = new MemoryBackend();
  await Repository.init({
    backend: other,
    credential: password('first'),
    cacheDirectory: testFolder(t),
    passwordCost: CHEAP,
  });
  assert.equal(other.location, backend.location);
  await assert.rejects(opening(other, cacheDirectory, password('first')), fails('REPOSITORY_CHANGED'));
  await opening(backend, cacheDirectory, password('first'));
  // Who forgets, trusts again; a memory that cannot be read is none.
  const known = join(cacheDirectory, 'known');
  for (const name of readdirSync(known)) writeFileSync(join(known, name), '{');
  await opening(other, cacheDirectory, password('first'));
  await assert.rejects(opening(backend, cacheDirectory, password('first')), fails('REPOSITORY_CHANGED'));
  rmSync(known, { recursive: true });
  await opening(backend, cacheDirectory, password('first'));
});

test('a key file of another repository is not tried', async (t) => {
  const { backend } = await made(t);
  const { backend: other, repository, cacheDirectory } = await made(t, password('theirs'));
  const bytes = await other.read('key', repository.keyId);
  await backend.write('key', repository.keyId, [bytes]);
  await assert.rejects(opening(backend, cacheDirectory, password('theirs')), fails('PASSWORD_WRONG'));
});

test('trap 10: a config whose words were changed with a fitting check is refused', async (t) => {
  const { backend, cacheDirectory } = await made(t);
  const text = (await backend.read('config', 'config')).toString();
  const { createHash } = await import('node:crypto');
  const parsed = JSON.parse(text) as Record<string, unknown>;
  delete parsed['check'];
  const forged = { ...parsed, created: '2001-01-01T00:00:00.000Z' };
  const canonical = (value: Record<string, unknown>): string =>
    JSON.stringify(Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))));
  const check = createHash('sha256').update(canonical(forged)).digest('hex').slice(0, 16);
  const bytes = Buffer.from(canonical({ ...forged, check }));
  let both: Backend = backend;
  for (const name of ['config', 'config.copy']) both = new ReplacedFile(both, { kind: 'config', name, bytes });
  await assert.rejects(opening(both, cacheDirectory, password('first')), (error) => {
    assert.ok(isEngineError(error, 'OBJECT_CORRUPT'));
    assert.match(error.message, /somebody changed it/);
    return true;
  });
});

test('trap 31: a store is probed by each client before it writes there for the first time, and never by who only reads', async (t) => {
  const { backend, cacheDirectory } = await made(t);
  const bad = new OverwritingBackend(backend);
  const elsewhere = await opening(bad, testFolder(t), password('first'));
  await elsewhere.snapshots.list();
  const paths = [Buffer.from(testFolder(t))];
  const before = await listed(backend, 'key');
  await assert.rejects(backup(elsewhere, { paths }), fails('STORAGE_FAILED'));
  await assert.rejects(elsewhere.addKey({ credential: password('x'), cost: CHEAP }), fails('STORAGE_FAILED'));
  assert.deepEqual(await listed(backend, 'key'), before);
  assert.deepEqual(await elsewhere.snapshots.list(), []);
  // Who made the repository, or wrote to it before, has probed it.
  const here = await opening(bad, cacheDirectory, password('first'));
  await backup(here, { paths });
  const next = testFolder(t);
  const third = await opening(backend, next, password('first'));
  await third.addKey({ credential: password('y'), cost: CHEAP });
  const counted = new FailingReads(backend, 'lock');
  await (await opening(counted, next, password('y'))).addKey({ credential: password('z'), cost: CHEAP });
});
