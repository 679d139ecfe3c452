/** Those who may sign in. All are admins. */

import type { StateDatabase } from './database.ts';

export interface User {
  readonly id: number;
  readonly name: string;
  readonly createdMs: number;
}

interface UserRow {
  readonly id: number;
  readonly name: string;
  readonly password_hash: string;
  readonly created_ms: number;
}

export class UserStore {
  readonly #database: StateDatabase;

  constructor(database: StateDatabase) {
    this.#database = database;
  }

  count(): number {
    return this.#database.prepare('SELECT count(*) FROM users').pluck().get() as number;
  }

  list(): User[] {
    return (this.#database.prepare('SELECT * FROM users ORDER BY name').all() as UserRow[]).map(userOf);
  }

  find(id: number): User | undefined {
    const row = this.#database.prepare('SELECT * FROM users WHERE id = ?').get(id) as UserRow | undefined;
    return row === undefined ? undefined : userOf(row);
  }

  /** With the hash of the password, for a sign-in. Case does not count. */
  findByName(name: string): { readonly user: User; readonly passwordHash: string } | undefined {
    const row = this.#database.prepare('SELECT * FROM users WHERE name = ?').get(name) as UserRow | undefined;
    return row === undefined ? undefined : { user: userOf(row), passwordHash: row.password_hash };
  }

  /** Undefined where the name is taken, or where somebody came first and `onlyFirst` was asked for. */
  add(
    name: string,
    passwordHash: string,
    options: { readonly nowMs: number; readonly onlyFirst?: boolean },
  ): User | undefined {
    return this.#database.transaction(() => {
      if (options.onlyFirst === true && this.count() > 0) return undefined;
      if (this.findByName(name) !== undefined) return undefined;
      const { lastInsertRowid } = this.#database
        .prepare('INSERT INTO users (name, password_hash, created_ms) VALUES (?, ?, ?)')
        .run(name, passwordHash, options.nowMs);
      return this.find(Number(lastInsertRowid));
    })();
  }

  setPassword(id: number, passwordHash: string): void {
    this.#database.prepare('UPDATE users SET password_hash = ? WHERE id = ?').run(passwordHash, id);
  }

  /** False for the last one, who stays: nobody could sign in any more. */
  remove(id: number): boolean {
    return this.#database.transaction(() => {
      if (this.count() <= 1) return false;
      return this.#database.prepare('DELETE FROM users WHERE id = ?').run(id).changes > 0;
    })();
  }
}

function userOf(row: UserRow): User {
  return { id: row.id, name: row.name, createdMs: row.created_ms };
}
