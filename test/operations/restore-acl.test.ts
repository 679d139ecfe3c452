/** Access lists that a target hands on to what is made in it, and attributes that the snapshot does not know. */

import assert from 'node:assert/strict';
import { lstatSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { MIB } from '../../engine/base/limits.ts';
import { createFileSystem } from '../../engine/filesystem/create.ts';
import { FileSystemError } from '../../engine/filesystem/types.ts';
import { Library } from '../support/library.ts';
import { Random } from '../support/random.ts';

const NOBODY = 65_534;
const NO_ID = 0xffff_ffff;
const DEFAULT_ACL = Buffer.from('system.posix_acl_default');
const ACCESS_ACL = Buffer.from('system.posix_acl_access');

/** As acl(5) lies in an attribute: everything to the owner and to nobody, nothing to others. */
function accessList(): Buffer {
  const entries = [
    [0x01, 7, NO_ID],
    [0x02, 7, NOBODY],
    [0x04, 0, NO_ID],
    [0x10, 7, NO_ID],
    [0x20, 0, NO_ID],
  ] as const;
  const bytes = Buffer.alloc(4 + entries.length * 8);
  bytes.writeUInt32LE(2, 0);
  for (const [at, [tag, permissions, id]] of entries.entries()) {
    bytes.writeUInt16LE(tag, 4 + at * 8);
    bytes.writeUInt16LE(permissions, 6 + at * 8);
    bytes.writeUInt32LE(id, 8 + at * 8);
  }
  return bytes;
}

/** False where this file system has no such attributes. */
function setAttribute(path: string, name: Buffer, value: Buffer): boolean {
  const fileSystem = createFileSystem();
  const above = fileSystem.openDirectory(Buffer.from(join(path, '..')));
  try {
    fileSystem.setAttributeAt(above, Buffer.from(path.slice(path.lastIndexOf('/') + 1)), { name, value });
    return true;
  } catch (error) {
    if (error instanceof FileSystemError) return false;
    throw error;
  } finally {
    fileSystem.close(above);
  }
}

function attributeNames(path: string): string[] {
  const fileSystem = createFileSystem();
  const above = fileSystem.openDirectory(Buffer.from(join(path, '..')));
  try {
    const name = Buffer.from(path.slice(path.lastIndexOf('/') + 1));
    return fileSystem.attributesAt(above, name).map((attribute) => attribute.name.toString());
  } finally {
    fileSystem.close(above);
  }
}

function allBelow(target: string): string[] {
  return readdirSync(target, { recursive: true, encoding: 'utf8' }).sort();
}

async function given(t: TestContext): Promise<Library> {
  const library = await Library.make(t);
  mkdirSync(join(library.source, 'folder', 'deeper'), { recursive: true });
  const options = { mode: 0o660 };
  writeFileSync(join(library.source, 'small'), 'secret', options);
  writeFileSync(join(library.source, 'folder', 'small'), 'secret', options);
  writeFileSync(join(library.source, 'folder', 'deeper', 'small'), 'secret', options);
  writeFileSync(join(library.source, 'folder', 'large'), new Random(1).bytes(9 * MIB), options);
  symlinkSync('small', join(library.source, 'link'));
  await library.backup();
  return library;
}

test('a default access list of the target opens nothing that is restored to others', async (t) => {
  const library = await given(t);
  const target = join(library.folder, 'target');
  mkdirSync(join(target, 'folder'), { recursive: true });
  const acl = accessList();
  if (!setAttribute(target, DEFAULT_ACL, acl) || !setAttribute(join(target, 'folder'), DEFAULT_ACL, acl)) {
    t.skip('this file system has no access lists');
    return;
  }
  for (const overwrite of ['always', 'if-changed'] as const) {
    const { problemCount } = await library.restore('latest', { target: Buffer.from(target), overwrite });
    assert.equal(problemCount, 0);
    for (const path of allBelow(target)) {
      assert.deepEqual(attributeNames(join(target, path)), [], path);
      assert.equal(lstatSync(join(target, path)).mode, lstatSync(join(library.source, path)).mode, path);
    }
    assert.deepEqual(attributeNames(target), [DEFAULT_ACL.toString()], 'the target itself stays as it was');
  }
});

test('attributes of existing entries go where the snapshot has none', async (t) => {
  const library = await given(t);
  const { target } = await library.restore();
  if (!setAttribute(join(target, 'small'), ACCESS_ACL, accessList())) {
    t.skip('this file system has no access lists');
    return;
  }
  setAttribute(join(target, 'folder', 'large'), Buffer.from('user.mine'), Buffer.from('x'));
  setAttribute(join(target, 'folder'), DEFAULT_ACL, accessList());
  await library.restore('latest', { target: Buffer.from(target), overwrite: 'if-changed' });
  for (const path of allBelow(target)) {
    assert.deepEqual(attributeNames(join(target, path)), [], path);
    const [own, stored] = [statSync(join(target, path)), statSync(join(library.source, path))];
    assert.equal(own.mode, stored.mode, path);
  }
});
