import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { EngineError } from '../../engine/base/errors.ts';
import type { RepositoryId } from '../../engine/base/ids.ts';
import { SEALED_KINDS, type SealedKind } from '../../engine/format/envelope.ts';
import { KeyMaterial } from '../../engine/repository/key-material.ts';
import { FILE_KINDS } from '../../engine/storage/backend.ts';
import { MemoryBackend } from '../../engine/storage/memory.ts';
import { Library } from '../support/library.ts';
import { Random } from '../support/random.ts';

test('trap 34: every sealed file of many runs has a salt of its own, and so a key', async (t) => {
  const backend = new MemoryBackend();
  const library = await Library.make(t, { backend });
  mkdirSync(library.source);
  for (let run = 0; run < 12; run++) {
    writeFileSync(join(library.source, `${run}`), new Random(run).bytes(50_000));
    await library.backup({ force: run % 3 === 0 });
  }
  const salts = new Set<string>();
  let files = 0;
  for (const kind of FILE_KINDS) {
    if (kind === 'config' || kind === 'key') continue;
    for await (const { name } of backend.list(kind)) {
      salts.add((await backend.read(kind, name)).toString('hex', 8, 24));
      files++;
    }
  }
  assert.ok(files > 40, `${files} files`);
  assert.equal(salts.size, files);
});

test('trap 17: what was sealed as one kind, part, file or repository opens as no other', async () => {
  const secrets = { content: Buffer.alloc(32, 1), seal: Buffer.alloc(32, 2) };
  const keys = await KeyMaterial.create('aa'.repeat(16) as RepositoryId, secrets);
  const other = await KeyMaterial.create('bb'.repeat(16) as RepositoryId, secrets);
  const salt = Buffer.alloc(16, 3);
  const sealed = Buffer.concat(keys.sealer('pack', salt).seal({ part: 0, counter: 5 }, [Buffer.from('content')]));
  assert.equal(keys.sealer('pack', salt).open({ part: 0, counter: 5 }, sealed).toString(), 'content');
  const refused = (open: () => unknown): void => assert.throws(open, EngineError);
  for (const kind of Object.keys(SEALED_KINDS) as SealedKind[]) {
    if (kind !== 'pack') refused(() => keys.sealer(kind, salt).open({ part: 0, counter: 5 }, sealed));
  }
  refused(() => keys.sealer('pack', salt).open({ part: 0, counter: 6 }, sealed));
  refused(() => keys.sealer('pack', salt).open({ part: 1, counter: 5 }, sealed));
  refused(() => keys.sealer('pack', Buffer.alloc(16, 4)).open({ part: 0, counter: 5 }, sealed));
  refused(() => other.sealer('pack', salt).open({ part: 0, counter: 5 }, sealed));
});
