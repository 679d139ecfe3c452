/** Decides when a batch needs too many open directories and files. */

import type { PlannedFile } from './planned-file.ts';
import type { TargetDirectory } from './target-directories.ts';
import type { Window } from './window.ts';

export class HandleCounter {
  readonly #window: Window;
  readonly #max: number;
  readonly #seen = new Set<TargetDirectory | PlannedFile>();
  #last: TargetDirectory | PlannedFile | undefined;

  constructor(window: Window, max: number) {
    this.#window = window;
    this.#max = max;
  }

  reset(): void {
    this.#seen.clear();
    this.#last = undefined;
  }

  readonly accepts = (wish: number): boolean => {
    const needed = this.#needed(wish);
    if (needed === this.#last) return true;
    if (!this.#seen.has(needed)) {
      if (this.#seen.size >= this.#max) return false;
      this.#seen.add(needed);
    }
    this.#last = needed;
    return true;
  };

  #needed(wish: number): TargetDirectory | PlannedFile {
    const plain = this.#window.plainFile(wish);
    if (plain >= 0) return this.#window.plain.place(plain).directory;
    const file = this.#window.file(wish);
    // Where a file has more than one piece, either it or its directory will be open; and one that was begun will be.
    return file.slices > 1 || file.large !== undefined ? file : file.directory;
  }
}
