/** A backup as a user who owns nothing, in a process of its own. */

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Problem } from '../../engine/base/errors.ts';

const NOBODY = 65_534;

export interface NobodyRun {
  readonly problems: readonly Problem[];
  /** Below the source. */
  readonly paths: readonly string[];
}

/** Undefined where this user cannot become another one. */
export function runAsNobody(t: TestContext, source: string): NobodyRun | undefined {
  if (process.geteuid?.() !== 0) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'snap-nobody-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o777);
  const program = fileURLToPath(new URL('./backup-as-nobody.js', import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, folder, source], {
    uid: NOBODY,
    gid: NOBODY,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '', HOME: folder },
  });
  if (status !== 0) throw new Error(`The backup as nobody failed: ${stderr}`);
  return JSON.parse(stdout) as NobodyRun;
}
