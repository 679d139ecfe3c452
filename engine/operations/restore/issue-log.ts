/** What went wrong with the files of one task. */

import type { FileIssue } from './messages.ts';

/** Issues of a task; those of metadata are kept once by kind. */
export class IssueLog {
  file = 0;
  readonly #issues: { file: number; during: string; code: string; message: string; sameKind: number }[] = [];
  readonly #kinds = new Map<string, number>();

  add(during: string, code: string, message: string): void {
    const kind = `${during} ${code}`;
    const known = this.#kinds.get(kind);
    const first = known === undefined ? undefined : this.#issues[known];
    if (first !== undefined && during !== 'write') {
      first.sameKind++;
      return;
    }
    this.#kinds.set(kind, this.#issues.length);
    this.#issues.push({ file: this.file, during, code, message, sameKind: 1 });
  }

  list(): readonly FileIssue[] {
    return this.#issues;
  }
}
