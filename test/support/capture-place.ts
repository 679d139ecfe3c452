/** A folder for databases, and what captures them out of it into another one. */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import {
  createSqliteCapturer,
  type SqliteCapturer,
  type SqliteCapturerOptions,
} from '../../engine/databases/sqlite.ts';
import { testFolder } from './build-repository.ts';

export interface CapturePlace {
  readonly source: string;
  readonly scratch: string;
  /** Closed after the test. */
  readonly capturer: SqliteCapturer;
}

export function capturePlace(
  t: TestContext,
  options: Partial<SqliteCapturerOptions> = {},
  folder: string = testFolder(t),
): CapturePlace {
  const [source, scratch] = [join(folder, 'source'), join(folder, 'scratch')];
  for (const path of [source, scratch]) mkdirSync(path);
  const capturer = createSqliteCapturer({ scratchDirectory: scratch, ...options });
  t.after(() => capturer.close());
  return { source, scratch, capturer };
}
