/** Counts the rows of a dump by table while it streams by: of the very moment that the dump is of. */

import { DATABASE_TABLES_COUNTED_MAX } from '../base/limits.ts';

export interface TableRows {
  readonly table: string;
  readonly rows: number;
}

export class RowCounter {
  readonly #rows = new Map<string, number>();
  tables = 0;

  /** From now on rows are this table's. */
  begin(table: string): void {
    if (this.#rows.has(table)) return;
    this.tables++;
    if (this.#rows.size < DATABASE_TABLES_COUNTED_MAX) this.#rows.set(table, 0);
  }

  add(table: string, rows: number): void {
    const before = this.#rows.get(table);
    if (before !== undefined) this.#rows.set(table, before + rows);
  }

  get list(): TableRows[] {
    return [...this.#rows].map(([table, rows]) => ({ table, rows }));
  }
}
