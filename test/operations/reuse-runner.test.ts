/** Parts of files built from old ones on file systems that fail, lie, or change under the reader's eyes. */

import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isEngineError } from '../../engine/base/errors.ts';
import { BLOB_ID_BYTES, type BlobId } from '../../engine/base/ids.ts';
import { MIB } from '../../engine/base/limits.ts';
import { PortableFileSystem } from '../../engine/filesystem/portable.ts';
import { PosixFileSystem } from '../../engine/filesystem/posix.ts';
import {
  type DirectoryHandle,
  type FileHandle,
  type FileSystem,
  FileSystemError,
} from '../../engine/filesystem/types.ts';
import type { RestoreContext } from '../../engine/operations/restore/context.ts';
import type { LargeFiles } from '../../engine/operations/restore/large-files.ts';
import {
  FILE_CLONE,
  FileTaskBuilder,
  type FileTaskResult,
  STATUS_CLONED,
  STATUS_DONE,
  STATUS_FAILED,
  STATUS_UNREADABLE,
} from '../../engine/operations/restore/messages.ts';
import { type PlannedFile, plannedFile } from '../../engine/operations/restore/planned-file.ts';
import { Reuser } from '../../engine/operations/restore/reuser.ts';
import { TaskRunner } from '../../engine/operations/restore/task-runner.ts';
import { Window } from '../../engine/operations/restore/window.ts';
import type { Repository } from '../../engine/repository/repository.ts';
import { file, reopened, SnapshotBuilder, testFolder, testRepository } from '../support/build-repository.ts';
import { Random } from '../support/random.ts';

const PIECE_BYTES = 256 * 1024;
const CONTENT = new Random(11).bytes(4 * MIB + 1000);
const HOLE_BYTES = MIB;
const SIZE = CONTENT.length + HOLE_BYTES;
/** What the new file is to hold: the hole at its end. */
const WANTED = Buffer.concat([CONTENT, Buffer.alloc(HOLE_BYTES)]);

interface Given {
  readonly folder: string;
  readonly repository: Repository;
  readonly row: Buffer;
  readonly pieces: readonly { position: number; length: number; blobId: BlobId | undefined }[];
}

async function given(t: TestContext, old: Buffer): Promise<Given> {
  const folder = testFolder(t);
  const made = await testRepository({ folder });
  const content = file([CONTENT, HOLE_BYTES], { chunkBytes: PIECE_BYTES });
  const snapshot = await new SnapshotBuilder(made).save([['file', content]]);
  const repository = await reopened(made);
  await repository.loadIndex();
  let row = Buffer.alloc(0);
  for await (const leaf of repository.blobs.leaves(snapshot.tree))
    row = Buffer.from(leaf.bytes.subarray(leaf.firstRow));
  const pieces: Given['pieces'][number][] = [];
  for (let position = 0; position < CONTENT.length; position += PIECE_BYTES) {
    const bytes = CONTENT.subarray(position, position + PIECE_BYTES);
    const blobId = repository.keys.hashers.data.digest(bytes, BLOB_ID_BYTES) as BlobId;
    pieces.push({ position, length: bytes.length, blobId });
  }
  pieces.push({ position: CONTENT.length, length: HOLE_BYTES, blobId: undefined });
  writeFileSync(join(folder, 'file'), old);
  return { folder, repository, row, pieces };
}

interface Opened {
  readonly directory: DirectoryHandle;
  readonly to: FileHandle;
  readonly runner: TaskRunner;
}

function opened(t: TestContext, it: Given, fileSystem: FileSystem): Opened {
  const directory = fileSystem.openDirectory(Buffer.from(it.folder));
  const to = fileSystem.createFileAt(directory, Buffer.from('new'));
  fileSystem.truncate(to, SIZE);
  t.after(() => [directory, to].forEach((handle) => void fileSystem.close(handle)));
  const options = { temporaryPrefix: 'x', plannedAt: undefined, cancelled: () => false };
  return { directory, to, runner: new TaskRunner(it.repository, fileSystem, options) };
}

async function build(t: TestContext, it: Given, fileSystem: FileSystem): Promise<FileTaskResult> {
  const { directory, to, runner } = opened(t, it, fileSystem);
  const builder = new FileTaskBuilder();
  const number = builder.directory(directory, Buffer.alloc(16));
  builder.file({ row: it.row, directory: number, fd: to.fd, flags: FILE_CLONE });
  for (const piece of it.pieces) builder.slice({ frame: 0, offset: 0, ...piece });
  const task = builder.finish('reuse', []);
  return runner.run(task, await runner.load(task));
}

/** All but what is said to be missing is there. Returns how many pieces are. */
function present(it: Given, result: FileTaskResult): number {
  const bytes = readFileSync(join(it.folder, 'new'));
  assert.equal(bytes.length, SIZE);
  let count = 0;
  for (const [number, { position, length, blobId }] of it.pieces.entries()) {
    if (result.damaged.includes(number)) continue;
    const end = position + length;
    assert.ok(bytes.subarray(position, end).equals(WANTED.subarray(position, end)), `piece ${number} is wrong`);
    if (blobId !== undefined) count++;
  }
  return count;
}

const MOVED = Buffer.concat([Buffer.alloc(100, 7), WANTED]);

test('without the C library the pieces of an old file are found as well', async (t) => {
  const it = await given(t, MOVED);
  const result = await build(t, it, new PortableFileSystem());
  assert.deepEqual([...result.statuses], [STATUS_DONE]);
  assert.equal(present(it, result), it.pieces.length - 1);
});

/** The old file is written into behind each of its reads, at the place that was just read. */
class ChangingFileSystem extends PosixFileSystem {
  readonly #path: string;
  readonly #everySo: number;
  #reads = 0;

  constructor(path: string, everySo: number) {
    super();
    this.#path = path;
    this.#everySo = everySo;
  }

  override read(...parameters: Parameters<PosixFileSystem['read']>): number {
    const count = super.read(...parameters);
    if (this.#reads++ % this.#everySo !== 0) return count;
    const old = openSync(this.#path, 'r+');
    writeSync(old, Buffer.alloc(PIECE_BYTES, this.#reads), 0, PIECE_BYTES, parameters[2].position);
    closeSync(old);
    return count;
  }
}

test('an old file that changes while it is read gives no wrong byte', async (t) => {
  for (const everySo of [1, 2, 3]) {
    for (const old of [CONTENT, MOVED]) {
      const it = await given(t, old);
      const result = await build(t, it, new ChangingFileSystem(join(it.folder, 'file'), everySo));
      present(it, result);
    }
  }
});

/** As a file system on which files share bytes does it, with copies. */
class CopyingFileSystem extends PosixFileSystem {
  clones = 0;

  override cloneFile(from: FileHandle, to: FileHandle): boolean {
    this.clones++;
    const bytes = readFileSync(`/proc/self/fd/${from.fd}`);
    this.truncate(to, 0);
    this.write(to, bytes, { offset: 0, length: bytes.length, position: 0 });
    return true;
  }
}

test('what is right in a clone stays, what moved is put in its place, and holes are made', async (t) => {
  const old = Buffer.concat([CONTENT.subarray(0, 2 * MIB), Buffer.alloc(2 * MIB, 9), WANTED.subarray(2 * MIB)]);
  const it = await given(t, old);
  const result = await build(t, it, new CopyingFileSystem());
  assert.deepEqual([...result.statuses], [STATUS_CLONED]);
  assert.equal(present(it, result), it.pieces.length - 1);
});

test('a clone that changes while it is made gives no wrong byte', async (t) => {
  const it = await given(t, CONTENT);
  class Torn extends CopyingFileSystem {
    override cloneFile(from: FileHandle, to: FileHandle): boolean {
      super.cloneFile(from, to);
      this.write(to, Buffer.alloc(10), { offset: 0, length: 10, position: MIB });
      return true;
    }
  }
  const result = await build(t, it, new Torn());
  // The old file still has what the clone has not: nobody looks there again, and the repository gives it.
  assert.deepEqual(result.damaged, [4]);
  assert.equal(present(it, result), it.pieces.length - 2);
});

test('a clone that fails half-way leaves nothing behind', async (t) => {
  const it = await given(t, CONTENT);
  class Half extends CopyingFileSystem {
    override cloneFile(from: FileHandle, to: FileHandle): boolean {
      super.cloneFile(from, to);
      this.write(to, Buffer.alloc(SIZE, 1), { offset: 0, length: SIZE, position: 0 });
      return false;
    }
  }
  const result = await build(t, it, new Half());
  assert.deepEqual([...result.statuses], [STATUS_DONE]);
  assert.equal(present(it, result), it.pieces.length - 1);
});

/** The clone shares a bad sector with the old file; the rest of the old file can be read. */
class BadSector extends CopyingFileSystem {
  readonly #shared = new Set<number>();

  override cloneFile(from: FileHandle, to: FileHandle): boolean {
    this.#shared.add(to.fd);
    return super.cloneFile(from, to);
  }

  override read(...parameters: Parameters<PosixFileSystem['read']>): number {
    const [{ fd }, , { position }] = parameters;
    const bad = position <= 3 * MIB && position + PIECE_BYTES > 3 * MIB;
    if (bad && (this.#shared.has(fd) || this.clones > 0)) throw new FileSystemError('EIO', 'read');
    return super.read(...parameters);
  }
}

test('a clone that cannot be read back is of no use', async (t) => {
  const it = await given(t, CONTENT);
  const result = await build(t, it, new BadSector());
  assert.deepEqual([...result.statuses], [STATUS_UNREADABLE]);
});

test('of an old file that cannot be opened or read nothing is taken, and nothing is said', async (t) => {
  for (const call of ['openFileAt', 'statFile', 'read'] as const) {
    const it = await given(t, CONTENT);
    const fileSystem = new PosixFileSystem();
    fileSystem[call] = () => {
      throw new FileSystemError('EIO', call);
    };
    const result = await build(t, it, fileSystem);
    assert.deepEqual([...result.statuses], [STATUS_DONE]);
    assert.equal(result.damaged.length, it.pieces.length - 1);
    assert.deepEqual(result.issues, []);
  }
});

test('a full disk ends the restore, and what concerns one file alone fails that one', async (t) => {
  const it = await given(t, CONTENT);
  const fails = (code: string): FileSystem => {
    const fileSystem = new PosixFileSystem();
    fileSystem.write = () => {
      throw new FileSystemError(code, 'write');
    };
    return fileSystem;
  };
  await assert.rejects(build(t, it, fails('ENOSPC')), (error) => isEngineError(error, 'TARGET_FAILED'));
  const other = await given(t, CONTENT);
  const result = await build(t, other, fails('EFBIG'));
  assert.deepEqual([...result.statuses], [STATUS_FAILED]);
  assert.deepEqual(
    result.issues.map(({ during, code }) => [during, code]),
    [['write', 'EFBIG']],
  );
});

test('a file whose clone cannot be read back is built once more without one', async (t) => {
  const it = await given(t, CONTENT);
  const fileSystem = new BadSector();
  const { directory, to, runner } = opened(t, it, fileSystem);
  let discarded = 0;
  const large = {
    pin: () => to,
    unpin: () => undefined,
    discard: () => {
      discarded++;
      fileSystem.truncate(to, 0);
      fileSystem.truncate(to, SIZE);
    },
  };
  const context = {
    breathe: () => Promise.resolve(),
    parts: {
      repository: it.repository,
      directories: { pin: () => directory, unpin: () => undefined },
      pool: {
        start: () => undefined,
        cancel: () => undefined,
        ready: () => Promise.resolve(),
        run: async (task: Parameters<TaskRunner['run']>[0]) => runner.run(task, await runner.load(task)),
      },
    },
  };
  const built: PlannedFile[] = [];
  const reuser = new Reuser(context as unknown as RestoreContext, large as unknown as LargeFiles, {
    attempt: (_file, act) => act(),
    built: (each) => void built.push(each),
    fail: (_file, why) => assert.fail(why.message),
  });
  const place = { directory: { key: Buffer.alloc(16) } as PlannedFile['directory'], row: it.row, group: undefined };
  const facts = { name: Buffer.from('file'), size: SIZE };
  const planned = plannedFile(place, facts, { replaces: true, hadMoreNames: false, sideFiles: [] });
  const window = new Window(it.repository.index, undefined);
  assert.equal(await reuser.build([planned], 0, window), 1);
  assert.deepEqual([discarded, planned.state, built.length], [1, 'failed', 1]);
  const [again] = built;
  assert.ok(again !== undefined && again !== planned && again.planned);
  assert.deepEqual([fileSystem.clones, again.slices, again.bytesReused], [1, 1, CONTENT.length - PIECE_BYTES]);
  assert.equal(window.plan.count, 1);
});
