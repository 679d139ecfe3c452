/** A restore of one server touches nothing of anybody else, whatever its database names. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { restore } from '../../engine/index.ts';
import { Library } from '../support/library.ts';
import { type Machine, type MachineOptions, makeMachine } from '../support/server-machine.ts';
import { makeFiles } from '../support/servers.ts';

interface Saved {
  readonly machine: Machine;
  readonly notes: string[];
  /** In place, with all that goes. */
  readonly bringBack: () => Promise<void>;
}

/** A machine that is saved with some folders beside those of the server, each with a file `kept` in it. */
async function saved(
  t: TestContext,
  about: { readonly others: readonly string[]; readonly options: (folder: string) => MachineOptions },
): Promise<Saved> {
  const library = await Library.make(t);
  const folder = join(library.folder, 'machine');
  const machine = makeMachine(folder, about.options(folder));
  makeFiles(
    folder,
    about.others.map((name) => `${name}/kept`),
  );
  await sleep(30);
  const sources = ['srv/abs', 'srv/audiobooks', ...about.others].map((name) => Buffer.from(join(folder, name)));
  await library.backup({ paths: sources, profiles: ['audiobookshelf'] });
  const notes: string[] = [];
  const bringBack = async (): Promise<void> => {
    const monitor = { note: (text: string) => void notes.push(text) };
    const repository = await library.reopen();
    const result = await restore(repository, {
      snapshot: 'latest',
      profile: 'audiobookshelf',
      inPlace: true,
      overwrite: 'always',
      delete: true,
      force: true,
      monitor,
    });
    assert.deepEqual(result.problems, []);
  };
  return { machine, notes, bringBack };
}

test("a folder of the server's own backups in which others keep theirs stays as it is", async (t) => {
  const { machine, bringBack } = await saved(t, {
    others: ['srv/backups'],
    options: (folder) => ({ backups: join(folder, 'srv/backups') }),
  });
  const others = join(machine.folder, 'srv', 'backups');
  writeFileSync(join(others, 'kept'), 'written since');
  writeFileSync(join(others, 'new'), 'new since');
  await bringBack();
  assert.equal(readFileSync(join(others, 'kept'), 'utf8'), 'written since');
  assert.ok(existsSync(join(others, 'new')));
});

test('a folder that only has the name of a library is not taken for it', async (t) => {
  const { machine, notes, bringBack } = await saved(t, {
    others: ['home/audiobooks-of-me/books'],
    options: () => ({ sees: '/books' }),
  });
  const others = join(machine.folder, 'home', 'audiobooks-of-me', 'books');
  writeFileSync(join(others, 'kept'), 'written since');
  writeFileSync(join(others, 'new'), 'new since');
  await bringBack();
  assert.equal(readFileSync(join(others, 'kept'), 'utf8'), 'written since');
  assert.ok(existsSync(join(others, 'new')));
  assert.match(
    notes.join('\n'),
    /\/books, which its database names, is not in the snapshot, or has another name there/,
  );
});
