/** A small library out of real files that every checkout has: the installed packages, and a live database beside them. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, cpSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Copies the packages into `library/books`. */
export function makeLibrary(library: string): void {
  const packages = fileURLToPath(new URL('../../../node_modules', import.meta.url));
  mkdirSync(library, { recursive: true });
  cpSync(packages, join(library, 'books'), { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
}

/** What a day does to a library: files edited, added and deleted, a folder renamed. Says what it did. */
export function changeLibrary(library: string): string {
  const books = join(library, 'books');
  const folders = readdirSync(books, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && !entry.name.startsWith('@'))
    .map((entry) => join(books, entry.name));
  const files = folders.flatMap((folder) =>
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(folder, entry.name)),
  );
  const edited = files.slice(0, 20);
  const deleted = files.slice(20, 30);
  for (const file of edited) appendFileSync(file, '\nread it again, still good\n');
  for (const file of deleted) rmSync(file);
  mkdirSync(join(library, 'new arrivals'));
  for (let number = 1; number <= 10; number++) {
    writeFileSync(join(library, 'new arrivals', `note ${number}.txt`), `Arrived today: number ${number}\n`);
  }
  const largest = folders.map((folder) => ({ folder, bytes: bytesIn(folder) })).sort((a, b) => b.bytes - a.bytes)[0];
  if (largest !== undefined) renameSync(largest.folder, `${largest.folder} (renamed)`);
  return `${edited.length} files edited, 10 added, ${deleted.length} deleted, the largest folder renamed`;
}

function bytesIn(folder: string): number {
  let bytes = 0;
  for (const path of readdirSync(folder, { recursive: true })) {
    bytes += statSync(join(folder, String(path)), { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}

/** A process that commits into a database all the time, as a server would. */
export class LiveWriter {
  readonly #process: ChildProcess;
  #commits = 0;

  private constructor(child: ChildProcess) {
    this.#process = child;
    if (child.stdout === null) return;
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.#commits = Number(line);
    });
  }

  /** Resolves once it has committed for the first time. */
  static async start(database: string): Promise<LiveWriter> {
    const program = fileURLToPath(new URL('./live-writer.js', import.meta.url));
    const child = spawn(process.execPath, [program, database], { stdio: ['ignore', 'pipe', 'inherit'] });
    await Promise.race([
      once(child.stdout, 'readable'),
      once(child, 'exit').then(() => Promise.reject(new Error('The writer of the database could not start'))),
    ]);
    return new LiveWriter(child);
  }

  /** So far. */
  get commits(): number {
    return this.#commits;
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    await ended;
  }
}
