/**
 * Databases that lie where a database belongs, or what is left of one. They are replaced last, when all files are there: a
 * row without its file is a broken book, a file without its row is found by the next scan. The image is written beside
 * the old one, checked, and put in its place with all that belongs to it (databases/sqlite-swap.ts).
 */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { isEngineError, throwIfAborted } from '../../base/errors.ts';
import { joinPath } from '../../base/paths.ts';
import { describeHolders } from '../../databases/open-holders.ts';
import { sqliteSideFiles } from '../../databases/sqlite-names.ts';
import { rewritePaths } from '../../databases/sqlite-paths.ts';
import { createSqliteSwapper, type SqliteSwapper } from '../../databases/sqlite-swap.ts';
import { FileSystemError } from '../../filesystem/types.ts';
import { makeScratchFolder } from '../../repository/scratch-folders.ts';
import type { RestoreContext } from './context.ts';
import type { Decision } from './decisions.ts';
import type { DatabaseRewrite } from './path-rewrites.ts';
import type { PlannedFile } from './planned-file.ts';
import type { TargetTree } from './target-tree.ts';
import type { WalkDirectory } from './walk-directory.ts';
import type { WindowExecutor } from './window-executor.ts';

export interface PendingSwap {
  readonly directory: WalkDirectory;
  readonly file: PlannedFile;
  readonly decision: Decision;
  readonly rewrite: DatabaseRewrite | undefined;
}

export interface SwapOptions {
  /** Replace what a program holds. */
  readonly force: boolean;
}

export class DatabaseSwaps {
  readonly #context: RestoreContext;
  readonly #options: SwapOptions;
  /** No more than the snapshot has databases. */
  readonly #pending: PendingSwap[] = [];

  constructor(context: RestoreContext, options: SwapOptions) {
    this.#context = context;
    this.#options = options;
  }

  add(swap: PendingSwap): void {
    // Its row is a view of a part of a tree, which nobody else keeps for so long.
    const { directory, decision, rewrite } = swap;
    const row = Buffer.from(swap.file.row);
    const file = { ...swap.file, row, name: Buffer.from(swap.file.name), image: true, mark: rewrite?.mark };
    this.#pending.push({ directory, decision, rewrite, file });
  }

  /** Carries all of them out; false where there are none. A database that cannot be replaced is a problem, and stays as it was. */
  async execute(parts: { readonly executor: WindowExecutor; readonly tree: TargetTree }): Promise<boolean> {
    if (this.#pending.length === 0) return false;
    const { repository, signal } = this.#context.parts;
    const scratchDirectory = makeScratchFolder(join(repository.cacheDirectory, 'scratch'));
    const swapper = createSqliteSwapper({ scratchDirectory, ...(signal === undefined ? {} : { signal }) });
    try {
      for (const swap of this.#pending) {
        throwIfAborted(signal);
        if (swap.decision === 'compare' && (await parts.executor.isEqual(swap.file))) continue;
        await this.#replace(swap, parts.executor, { swapper, scratchDirectory });
        parts.tree.finish(swap.directory);
      }
      return true;
    } finally {
      await swapper.close();
      rmSync(scratchDirectory, { recursive: true, force: true });
    }
  }

  /** True, and a problem, for a database that a program wrote to since the plan was made. */
  #isChanged({ file }: PendingSwap): boolean {
    if (this.#options.force) return false;
    const { wal, journal } = sqliteSideFiles(file.name);
    // A look at a log by SQLite itself may move its change time.
    return [file.name, wal, journal].some((name) =>
      this.#context.isChanged({ directory: file.directory, name }, name !== file.name || file.hadMoreNames, 'swap'),
    );
  }

  /** On an image that lies under its temporary name: a kill leaves no half of it under its own. */
  async #rewrite(swap: PendingSwap, image: Buffer, scratchDirectory: string): Promise<void> {
    const { rewrite } = swap;
    if (rewrite === undefined) return;
    const { signal } = this.#context.parts;
    const { columns, rules } = rewrite;
    const report = await rewritePaths({ image, columns, rules, scratchDirectory }, { signal });
    this.#context.rewritten.set(keyOf(swap), report);
  }

  async #replace(
    swap: PendingSwap,
    executor: WindowExecutor,
    tools: { readonly swapper: SqliteSwapper; readonly scratchDirectory: string },
  ): Promise<void> {
    const { file } = swap;
    const { swapper, scratchDirectory } = tools;
    if (this.#isChanged(swap)) return;
    const image = await executor.writeImage(file);
    if (image === undefined) return;
    const { directories, monitor } = this.#context.parts;
    const target = directories.path(file.directory, file.name);
    try {
      await this.#rewrite(swap, image, scratchDirectory);
      await swapper.check(image);
      executor.dressImage(file);
      this.#context.changing(file.directory);
      const outcome = await swapper.swap({ image, target, force: this.#options.force });
      // What was written into the old file has its inode, and a header of its own: content decides the next time.
      executor.finishImage(file, outcome.method !== 'written');
      for (const moved of outcome.moved) {
        monitor?.note?.(
          `${moved.toString('utf8')} lay beside the database that was replaced, and is not part of the new one`,
        );
      }
      if (outcome.holders.length > 0) {
        const path = target.toString('utf8');
        monitor?.note?.(`${path} was replaced beneath ${describeHolders(outcome.holders)}: start that again`);
      }
    } catch (error) {
      if (swap.rewrite !== undefined) this.#context.rewritten.set(keyOf(swap), undefined);
      if (isEngineError(error, 'DATABASE_FAILED')) {
        executor.fail(file, { during: 'swap', code: error.code, message: error.message });
      } else if (error instanceof FileSystemError) {
        executor.fail(file, {
          during: 'swap',
          code: error.code,
          message: `Cannot put the database in its place: ${error.code}`,
        });
      } else throw error;
    }
  }
}

/** Its path in the snapshot. */
function keyOf({ directory, file }: PendingSwap): string {
  return joinPath(directory.path, file.name).toString('latin1');
}
