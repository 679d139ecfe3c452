import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { encodeLease } from '../../engine/format/snapshot.ts';
import {
  addKey,
  changePassword,
  exportRecoverySheet,
  findKey,
  listKeys,
  parseRecoverySheet,
  removeKey,
} from '../../engine/operations/keys.ts';
import { unlock } from '../../engine/operations/unlock.ts';
import { type Credential, createKeyFile, writeKeyFile } from '../../engine/repository/keys.ts';
import { HeldLease, listLeases } from '../../engine/repository/leases.ts';
import { Repository } from '../../engine/repository/repository.ts';
import { saveRecord } from '../../engine/repository/sealed-files.ts';
import { createLocation } from '../../engine/storage/open.ts';
import { testFolder } from '../support/build-repository.ts';

const CHEAP = { memoryKiB: 64, iterations: 1, parallelism: 1 };

function password(text: string): Credential {
  return { type: 'password', password: Buffer.from(text) };
}

async function given(t: TestContext): Promise<{ repository: Repository; open: (text: string) => Promise<Repository> }> {
  const folder = testFolder(t);
  const backend = await createLocation(`${folder}/repository`);
  const options = { backend, cacheDirectory: `${folder}/cache` };
  const repository = await Repository.init({ ...options, credential: password('first'), passwordCost: CHEAP });
  return { repository, open: (text) => Repository.open({ ...options, credential: password(text) }) };
}

test('a password is added, changed and removed; the others go on opening', async (t) => {
  const { repository, open } = await given(t);
  const second = await addKey(repository, { credential: password('second'), label: 'laptop', cost: CHEAP });
  assert.deepEqual(
    (await listKeys(repository)).map(({ label }) => label),
    ['', 'laptop'],
  );
  const opened = await open('second');
  await changePassword(opened, { credential: password('third'), cost: CHEAP });
  await assert.rejects(open('second'), { code: 'PASSWORD_WRONG' });
  await (await open('third')).close();
  await assert.rejects(removeKey(repository, second.id), { code: 'KEY_NOT_FOUND' });
  await removeKey(repository, repository.keyId);
  await assert.rejects(open('first'), { code: 'PASSWORD_WRONG' });
  await assert.rejects(removeKey(await open('third'), ''), { code: 'KEY_LAST' });
});

test('a password is asked for once more: the key that it opens is found, a wrong one opens none', async (t) => {
  const { repository } = await given(t);
  const second = await addKey(repository, { credential: password('second'), label: 'laptop', cost: CHEAP });
  assert.equal((await findKey(repository, password('first')))?.id, repository.keyId);
  assert.deepEqual(await findKey(repository, password('second')), second);
  for (const wrong of [password('third'), password(''), { type: 'none' } as const]) {
    assert.equal(await findKey(repository, wrong), undefined);
  }
});

test('a recovery sheet gives back the secrets, however it was typed, and makes a new key file', async (t) => {
  const { repository, open } = await given(t);
  const sheet = exportRecoverySheet(repository, new Date('2026-03-01T00:00:00Z'));
  assert.match(sheet, /2026-03-01/);
  assert.ok(sheet.includes(repository.config.id));
  const typed = sheet.toUpperCase().replace(/ {2}/g, '    ').split('\n').reverse().join('\r\n');
  for (const text of [sheet, typed]) {
    const secrets = parseRecoverySheet(text);
    assert.deepEqual(secrets.content, Buffer.from(repository.keys.secrets.content));
    assert.deepEqual(secrets.seal, Buffer.from(repository.keys.secrets.seal));
  }
  const key = await createKeyFile({
    repository: repository.config.id,
    secrets: parseRecoverySheet(sheet),
    credential: password('from the sheet'),
    label: '',
    cost: CHEAP,
    now: new Date(),
  });
  await writeKeyFile(repository.backend, key);
  await removeKey(repository, repository.keyId);
  const opened = await open('from the sheet');
  assert.equal(opened.keys.fingerprint(), repository.keys.fingerprint());
});

test('a recovery sheet with any digit wrong, or a line missing, is refused and the line named', async (t) => {
  const { repository } = await given(t);
  const lines = exportRecoverySheet(repository, new Date()).split('\n');
  const first = lines.findIndex((line) => /^\s*1\s/.test(line));
  for (let line = first; line < first + 4; line++) {
    const text = lines[line] ?? '';
    for (let at = 3; at < text.length; at += 5) {
      if (!/[0-9a-f]/.test(text[at] ?? '')) continue;
      const wrong = [...lines];
      wrong[line] = `${text.slice(0, at)}${text[at] === '7' ? '8' : '7'}${text.slice(at + 1)}`;
      assert.throws(() => parseRecoverySheet(wrong.join('\n')), {
        code: 'INVALID_ARGUMENT',
        message: new RegExp(`Line ${line - first + 1} `),
      });
    }
    assert.throws(() => parseRecoverySheet(lines.toSpliced(line, 1).join('\n')), { code: 'INVALID_ARGUMENT' });
  }
  assert.throws(() => parseRecoverySheet(''), { code: 'INVALID_ARGUMENT' });
});

test('unlock removes leases of the dead and unreadable ones, and with "all" those of the living too', async (t) => {
  const { repository } = await given(t);
  const living = await HeldLease.acquire(repository, { verb: 'backup', exclusive: false });
  const old = Date.now() - 24 * 3600_000;
  const dead = { run: 'f'.repeat(32), host: 'elsewhere', pid: 1, boot: '', startedMs: old, refreshedMs: old };
  await saveRecord(repository, 'lock', encodeLease({ ...dead, verb: 'prune', exclusive: true, parents: [] }));
  await repository.backend.write('lock', 'ab'.repeat(32), [Buffer.alloc(300)]);
  const result = await unlock(repository);
  assert.deepEqual(
    [result.removed.map(({ verb }) => verb), result.kept.map(({ verb }) => verb)],
    [['prune'], ['backup']],
  );
  assert.equal(result.unreadable.length, 1);
  assert.equal((await listLeases(repository)).leases.length, 1);
  const all = await unlock(repository, { all: true });
  assert.equal(all.removed.length, 1);
  assert.equal((await listLeases(repository)).leases.length, 0);
  await living.release();
});
