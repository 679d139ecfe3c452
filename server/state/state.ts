/** The stores of the state, opened together. */

import { BackupStore } from './backups.ts';
import { openStateDatabase, type StateDatabase } from './database.ts';
import { JobStore } from './jobs.ts';
import { SessionStore } from './sessions.ts';
import { SettingStore } from './settings.ts';
import { TokenStore } from './tokens.ts';
import { UserStore } from './users.ts';

export class State {
  readonly users: UserStore;
  readonly sessions: SessionStore;
  readonly tokens: TokenStore;
  readonly settings: SettingStore;
  readonly jobs: JobStore;
  readonly backups: BackupStore;
  readonly database: StateDatabase;
  readonly #close: () => void;

  private constructor(database: StateDatabase, close: () => void) {
    this.database = database;
    this.#close = close;
    this.users = new UserStore(database);
    this.sessions = new SessionStore(database);
    this.tokens = new TokenStore(database);
    this.settings = new SettingStore(database);
    this.jobs = new JobStore(database);
    this.backups = new BackupStore(database);
  }

  /** REPOSITORY_LOCKED while another server has it, STORAGE_FAILED, REPOSITORY_UNSUPPORTED. */
  static open(folder: string): State {
    const { database, close } = openStateDatabase(folder);
    return new State(database, close);
  }

  close(): void {
    this.#close();
  }
}
