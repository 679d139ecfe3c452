/**
 * `npm run quickstart [-- FOLDER]`: the main job from end to end, on real files, with an account of what happened.
 * Without a folder it makes a small library with a live database, snapshots it twice with a day's changes in between,
 * restores both and compares every byte. With one it does the same to that folder, which it only reads.
 */

import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import Database from 'better-sqlite3';
import { type BackupResult, backup, initRepository, type Repository, restore } from '../../engine/index.ts';
import { formatBytes, formatCount, formatDuration, printable } from '../render.ts';
import { compareFolders } from './compare.ts';
import { changeLibrary, LiveWriter, makeLibrary } from './library.ts';
import { openingCommand } from './opening.ts';

const PASSWORD = 'quickstart';

function say(text = ''): void {
  process.stdout.write(`${text}\n`);
}

function accountOf(title: string, { counts, databases, problems, problemCount }: BackupResult): void {
  say(`${title} in ${formatDuration(counts.totalDuration)}`);
  say(`  ${formatCount(counts.totalFilesProcessed)} files, ${formatBytes(counts.totalBytesProcessed)}`);
  const read = counts.filesNew + counts.filesChanged;
  say(`  ${formatCount(read)} new or changed, ${formatCount(counts.filesUnmodified)} not read again`);
  if (counts.filesMoved > 0)
    say(`  ${formatCount(counts.filesMoved)} below a renamed folder, recognised without reading`);
  for (const { path, bytes, check } of databases) {
    say(`  database ${printable(path.toString('utf8'))}: exported while in use, ${formatBytes(bytes)}, check ${check}`);
  }
  say(`  the repository grew by ${formatBytes(counts.dataAddedPacked)}`);
  for (const problem of problems) say(`  problem: ${printable(problem.message)}`);
  if (problemCount > problems.length) say(`  and ${problemCount - problems.length} more problems`);
  say();
}

/** Restores one snapshot's source folder into `target`. */
async function bringBack(repository: Repository, snapshot: string, source: string, target: string): Promise<void> {
  const result = await restore(repository, {
    snapshot,
    path: Buffer.from(source),
    target: Buffer.from(target),
    verify: true,
  });
  const problems = result.problemCount === 0 ? '' : `, ${result.problemCount} problems`;
  say(
    `  ${snapshot} restored: ${formatCount(result.filesRestored)} files, ${formatBytes(result.bytesRestored)}` +
      ` in ${formatDuration(result.totalDuration)}${problems}`,
  );
  for (const problem of result.problems) say(`  problem: ${printable(problem.message)}`);
}

/** True where the two folders are equal but for the databases, which were written to meanwhile. */
function isEqual(source: string, restored: string, databases: ReadonlySet<string>): boolean {
  const isSideFile = (path: string): boolean => databases.has(path.replace(/-(?:wal|shm|journal)$/, ''));
  const { files, bytes, differences } = compareFolders(source, restored, isSideFile);
  if (differences.length === 0) {
    say(`  compared ${formatCount(files)} files, ${formatBytes(bytes)}: every byte, mode and time is equal`);
    return true;
  }
  for (const difference of differences) say(`  DIFFERENT ${printable(difference)}`);
  return false;
}

/** True where every restored database is whole. */
function areSound(restored: string, databases: ReadonlySet<string>): boolean {
  let sound = true;
  for (const path of databases) {
    const database = new Database(join(restored, path), { readonly: true });
    const answer = String(database.pragma('integrity_check', { simple: true }));
    database.close();
    say(`  database ${printable(path)}: integrity_check says ${answer}`);
    sound &&= answer === 'ok';
  }
  return sound;
}

function databasesBelow(source: string, result: BackupResult): Set<string> {
  const captured = result.databases.filter(({ check }) => check === 'ok');
  return new Set(captured.map(({ path }) => relative(source, path.toString('utf8'))));
}

function placeIn(scratch: string): { readonly location: string; readonly cacheDirectory: string } {
  return { location: join(scratch, 'repository'), cacheDirectory: join(scratch, 'cache') };
}

async function open(scratch: string): Promise<Repository> {
  return initRepository({
    ...placeIn(scratch),
    credential: { type: 'password', password: Buffer.from(PASSWORD) },
  });
}

/** What was made to be compared; the repository stays, so that it can be looked at. */
function removeLibraries(scratch: string): void {
  const kept = Object.values(placeIn(scratch));
  for (const name of readdirSync(scratch)) {
    const path = join(scratch, name);
    if (!kept.includes(path)) rmSync(path, { recursive: true, force: true });
  }
}

async function runOnLibraryOfPackages(scratch: string): Promise<boolean> {
  const library = join(scratch, 'library');
  const before = join(scratch, 'library of the first night');
  say('Making a small library out of the installed packages, with a database that a process keeps writing to.');
  makeLibrary(library);
  const repository = await open(scratch);
  const writer = await LiveWriter.start(join(library, 'library.db'));
  try {
    say();
    const commitsBefore = writer.commits;
    const first = await backup(repository, { paths: [Buffer.from(library)] });
    accountOf('First snapshot', first);
    cpSync(join(library, 'books'), join(before, 'books'), {
      recursive: true,
      preserveTimestamps: true,
      verbatimSymlinks: true,
    });
    say(`A day goes by: ${changeLibrary(library)}; the database was written to all the time.`);
    const second = await backup(repository, { paths: [Buffer.from(library)] });
    accountOf('Second snapshot', second);
    say(`The writer committed ${formatCount(writer.commits - commitsBefore)} times meanwhile.`);
    await writer.stop();

    const [one, two] = [join(scratch, 'restored 1'), join(scratch, 'restored 2')];
    say('Bringing both back, and comparing with the library as it was:');
    const databases = databasesBelow(library, second);
    await bringBack(repository, 'latest~1', library, one);
    const firstIsEqual = isEqual(join(before, 'books'), join(one, 'books'), new Set()) && areSound(one, databases);
    await bringBack(repository, 'latest', library, two);
    const secondIsEqual = isEqual(library, two, databases) && areSound(two, databases);
    const kept = first.counts.totalBytesProcessed + second.counts.totalBytesProcessed;
    const stored = first.counts.dataAddedPacked + second.counts.dataAddedPacked;
    say();
    say(`Two nights of ${formatBytes(kept)} in all take ${formatBytes(stored)}.`);
    return firstIsEqual && secondIsEqual && databases.size === 1;
  } finally {
    await writer.stop();
    await repository.close();
  }
}

async function runOnFolder(source: string, scratch: string): Promise<boolean> {
  const repository = await open(scratch);
  try {
    const first = await backup(repository, { paths: [Buffer.from(source)] });
    accountOf('First snapshot', first);
    const second = await backup(repository, { paths: [Buffer.from(source)] });
    accountOf('Second snapshot', second);
    say('Bringing it back, and comparing with the folder:');
    const restored = join(scratch, 'restored');
    await bringBack(repository, 'latest', source, restored);
    const databases = databasesBelow(source, second);
    const equal = isEqual(source, restored, databases);
    return areSound(restored, databases) && equal;
  } finally {
    await repository.close();
  }
}

async function main(): Promise<void> {
  const [folder] = process.argv.slice(2);
  if (folder !== undefined && !(existsSync(folder) && statSync(folder).isDirectory())) {
    process.stderr.write(`quickstart: ${folder} is not a folder\n`);
    process.exitCode = 2;
    return;
  }
  const scratch = mkdtempSync(join(tmpdir(), 'snap-quickstart-'));
  let good = false;
  try {
    good = folder === undefined ? await runOnLibraryOfPackages(scratch) : await runOnFolder(resolve(folder), scratch);
  } finally {
    if (!good && folder === undefined) rmSync(scratch, { recursive: true, force: true });
  }
  if (folder !== undefined) {
    say(`Repository (password "${PASSWORD}"): ${join(scratch, 'repository')}`);
    say(`Restored: ${join(scratch, 'restored')}`);
  } else if (good) removeLibraries(scratch);
  say(good ? 'All is well: what came back is exactly what was saved.' : 'NOT all is well: see above.');
  if (!good) {
    process.exitCode = 1;
    return;
  }
  say();
  say('To look at it in a browser, run this, and open the link that it shows:');
  say();
  for (const line of openingCommand({ folder: scratch, ...placeIn(scratch), password: PASSWORD })) say(`  ${line}`);
  say();
  say(`All of it lies in ${scratch}: remove that folder when you have seen enough.`);
}

await main();
