import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { treeState } from './support/tree-state.ts';

const TOP = fileURLToPath(new URL('../..', import.meta.url));

function exampleNamed(name: string): string {
  const readme = readFileSync(join(TOP, 'README.md'), 'utf8');
  const found = new RegExp(`<!-- test: ${name} -->\\n\`\`\`\\w+\\n([\\s\\S]*?)\`\`\``).exec(readme)?.[1];
  return found ?? assert.fail(`README.md has no example "${name}"`);
}

/** The example's places, moved into a folder of the test. */
function movedInto(folder: string, example: string): string {
  return example.replaceAll(/\/(?:mnt\/backup|srv|etc|tmp|var\/cache)\b/g, (place) => `${folder}${place}`);
}

function given(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'snap-readme-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const place of ['mnt/backup', 'srv/audiobooks', 'srv/config', 'etc', 'tmp', 'bin']) {
    mkdirSync(join(folder, place), { recursive: true });
  }
  writeFileSync(join(folder, 'srv/audiobooks/book.m4b'), 'Call me Ishmael.');
  writeFileSync(join(folder, 'srv/config/settings'), 'dark mode');
  writeFileSync(join(folder, 'etc/snap.password'), 'correct horse\n');
  return folder;
}

test('the first use in README.md does what it says', (t) => {
  const folder = given(t);
  const program = join(folder, 'bin', 'snap');
  writeFileSync(program, `#!/bin/sh\nexec ${process.execPath} ${join(TOP, 'dist/cli/main.js')} "$@"\n`);
  chmodSync(program, 0o755);
  const script = movedInto(folder, exampleNamed('first use'));
  const env = {
    PATH: `${join(folder, 'bin')}:${process.env['PATH']}`,
    HOME: folder,
    SNAP_CACHE_DIR: join(folder, 'cache'),
  };
  const output = execFileSync('sh', ['-e', '-c', script], { cwd: folder, env, encoding: 'utf8' });
  assert.match(output, /2 snapshots/);
  assert.match(output, /No damage was found/);
  assert.deepEqual(treeState(join(folder, 'tmp/yesterday')), treeState(join(folder, 'srv/audiobooks')));
  assert.match(readFileSync(join(folder, 'recovery-sheet.txt'), 'utf8'), /snap recovery sheet/);
});

test('the library example in README.md does what it says', (t) => {
  const folder = given(t);
  const example = movedInto(folder, exampleNamed('library'));
  writeFileSync(
    join(folder, 'example.mjs'),
    example.replace("'snap-engine'", `'${join(TOP, 'dist/engine/index.js')}'`),
  );
  const output = execFileSync(process.execPath, [join(folder, 'example.mjs')], { encoding: 'utf8' });
  assert.match(output, /^file 16 .*\/srv\/audiobooks\/book\.m4b$/m);
  const restored = join(folder, 'tmp/restored', folder, 'srv/audiobooks');
  assert.ok(existsSync(restored));
  assert.deepEqual(treeState(restored), treeState(join(folder, 'srv/audiobooks')));
});
