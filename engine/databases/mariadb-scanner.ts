/**
 * Counts rows in a dump of mariadb-dump, line by line. It writes one row a line, and line breaks in strings as escapes;
 * a program that writes many rows in one line (mysqldump) has them left uncounted.
 */

import { RowCounter } from './table-rows.ts';

const NEWLINE = 0x0a;
const PARENTHESIS = 0x28;
/** Enough for the longest name of a table, each of its characters as four bytes. */
const PREFIX_BYTES = 320;

export class MariadbScanner {
  readonly rows = new RowCounter();
  readonly #prefix = Buffer.alloc(PREFIX_BYTES);
  #length = 0;
  #table: string | undefined;
  #count = 0;
  /** Within the body of a routine nothing is a row. */
  #isInBody = false;

  feed(piece: Buffer): readonly Buffer[] {
    for (let at = 0; at < piece.length; ) {
      const found = piece.indexOf(NEWLINE, at);
      const end = found < 0 ? piece.length : found;
      if (this.#length < PREFIX_BYTES) this.#length += piece.copy(this.#prefix, this.#length, at, end);
      if (found < 0) break;
      this.#endLine();
      this.#length = 0;
      at = found + 1;
    }
    return [piece];
  }

  #endLine(): void {
    const first = this.#prefix[0];
    if (this.#table !== undefined) {
      if (this.#length > 0 && first === PARENTHESIS) {
        this.#count++;
        return;
      }
      this.#endTable();
    }
    // The first byte tells nearly all lines apart.
    if (first !== 0x49 && first !== 0x44) return;
    const line = this.#prefix.toString('utf8', 0, this.#length);
    if (line.startsWith('DELIMITER ')) this.#isInBody = line !== 'DELIMITER ;';
    const name = this.#isInBody ? undefined : /^INSERT INTO `((?:[^`]|``)+)` VALUES\s*$/.exec(line)?.[1];
    if (name === undefined) return;
    this.#table = name.replaceAll('``', '`');
    this.rows.begin(this.#table);
  }

  #endTable(): void {
    if (this.#table !== undefined) this.rows.add(this.#table, this.#count);
    this.#table = undefined;
    this.#count = 0;
  }

  get isBetweenStatements(): boolean {
    return this.#length === 0 && this.#table === undefined;
  }
}
