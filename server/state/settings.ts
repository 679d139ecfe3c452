/** What people set in the page, by key, as JSON. What a value may be, its reader says. */

import type { Static, TSchema } from 'typebox';
import { Value } from 'typebox/value';
import type { StateDatabase } from './database.ts';

export class SettingStore {
  readonly #database: StateDatabase;

  constructor(database: StateDatabase) {
    this.#database = database;
  }

  /** Undefined where nothing was set, or where what stands there does not fit any more: then the default holds. */
  find<Schema extends TSchema>(key: string, schema: Schema): Static<Schema> | undefined {
    const text = this.#database.prepare('SELECT value FROM settings WHERE key = ?').pluck().get(key);
    if (typeof text !== 'string') return undefined;
    const value: unknown = JSON.parse(text);
    return Value.Check(schema, value) ? value : undefined;
  }

  set(key: string, value: unknown): void {
    this.#database
      .prepare('INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value')
      .run(key, JSON.stringify(value));
  }

  remove(key: string): void {
    this.#database.prepare('DELETE FROM settings WHERE key = ?').run(key);
  }
}
