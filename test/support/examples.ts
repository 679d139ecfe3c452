/** Examples of the documentation, run as they stand there. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { testFolder } from './build-repository.ts';

export const TOP = fileURLToPath(new URL('../../..', import.meta.url));

/** The block of a document that stands behind `<!-- test: NAME -->`. */
export function exampleNamed(name: string, document = 'README.md'): string {
  const text = readFileSync(join(TOP, document), 'utf8');
  const found = new RegExp(`<!-- test: ${name} -->\\n\`\`\`\\w+\\n([\\s\\S]*?)\`\`\``).exec(text)?.[1];
  return found ?? assert.fail(`${document} has no example "${name}"`);
}

/** The example's places, moved into a folder of the test. */
export function movedInto(folder: string, example: string): string {
  return example.replaceAll(
    /\/(?:mnt\/backup|mnt\/second|srv|etc|tmp|var\/cache|var\/lib)\b/g,
    (place) => `${folder}${place}`,
  );
}

/** A folder with the places that examples name, and a small library. */
export function placesOfExamples(t: TestContext): string {
  const folder = testFolder(t);
  for (const place of ['mnt/backup', 'mnt/second', 'srv/audiobooks', 'srv/config', 'etc', 'tmp', 'bin']) {
    mkdirSync(join(folder, place), { recursive: true });
  }
  writeFileSync(join(folder, 'srv/audiobooks/book.m4b'), 'Call me Ishmael.');
  writeFileSync(join(folder, 'srv/config/settings'), 'dark mode');
  writeFileSync(join(folder, 'etc/snap.password'), 'correct horse\n');
  return folder;
}

/** A shell in the folder, where `snap` is this checkout's and the repository and its password are those of the first use. */
export function shell(folder: string): (script: string) => string {
  const program = join(folder, 'bin', 'snap');
  writeFileSync(program, `#!/bin/sh\nexec ${process.execPath} ${join(TOP, 'dist/cli/main.js')} "$@"\n`);
  chmodSync(program, 0o755);
  const env = {
    PATH: `${join(folder, 'bin')}:${process.env['PATH']}`,
    HOME: folder,
    SNAP_CACHE_DIR: join(folder, 'cache'),
    SNAP_REPOSITORY: join(folder, 'mnt/backup/library'),
    SNAP_PASSWORD_FILE: join(folder, 'etc/snap.password'),
  };
  return (script) => execFileSync('sh', ['-e', '-c', script], { cwd: folder, env, encoding: 'utf8' });
}
