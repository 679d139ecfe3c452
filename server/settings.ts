/** Settings of people, typed: each part of the server says what its own may be. */

import type { Static, TSchema } from 'typebox';
import type { ServeOptions } from './options.ts';
import type { SettingStore } from './state/settings.ts';

/** One setting: where it lies, what it may be, and what holds until somebody sets it. */
export interface Setting<Schema extends TSchema> {
  readonly key: string;
  readonly schema: Schema;
  readonly initial: (options: ServeOptions) => Static<Schema>;
}

export class Settings {
  readonly #store: SettingStore;
  readonly #options: ServeOptions;

  constructor(store: SettingStore, options: ServeOptions) {
    this.#store = store;
    this.#options = options;
  }

  get<Schema extends TSchema>(setting: Setting<Schema>): Static<Schema> {
    return this.#store.find(setting.key, setting.schema) ?? setting.initial(this.#options);
  }

  /** True once somebody set it. */
  isSet<Schema extends TSchema>(setting: Setting<Schema>): boolean {
    return this.#store.find(setting.key, setting.schema) !== undefined;
  }

  set<Schema extends TSchema>(setting: Setting<Schema>, value: Static<Schema>): void {
    this.#store.set(setting.key, value);
  }
}
