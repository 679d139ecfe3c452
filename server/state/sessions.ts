/** Who is signed in. Only hashes of session tokens are kept. */

import { SESSION_IDLE_MS_MAX, SESSION_MS_MAX, SESSION_SEEN_MS, SESSIONS_MAX } from '../limits.ts';
import { noteUse, type StateDatabase } from './database.ts';

export interface SessionRecord {
  readonly userId: number;
  readonly createdMs: number;
  readonly seenMs: number;
}

interface SessionRow {
  readonly user_id: number;
  readonly created_ms: number;
  readonly seen_ms: number;
}

export class SessionStore {
  readonly #database: StateDatabase;

  constructor(database: StateDatabase) {
    this.#database = database;
  }

  add(tokenHash: Buffer, session: { readonly userId: number; readonly address: string; readonly nowMs: number }): void {
    const { userId, address, nowMs } = session;
    this.#database.transaction(() => {
      this.#removeOver(nowMs);
      this.#database
        .prepare('INSERT INTO sessions (token_hash, user_id, created_ms, seen_ms, address) VALUES (?, ?, ?, ?, ?)')
        .run(tokenHash, userId, nowMs, nowMs, address);
    })();
  }

  /** Undefined for one that is over. */
  find(tokenHash: Buffer, nowMs: number): SessionRecord | undefined {
    const row = this.#database.prepare('SELECT * FROM sessions WHERE token_hash = ?').get(tokenHash);
    if (row === undefined) return undefined;
    const { user_id: userId, created_ms: createdMs, seen_ms: seenMs } = row as SessionRow;
    if (nowMs - createdMs >= SESSION_MS_MAX || nowMs - seenMs >= SESSION_IDLE_MS_MAX) return undefined;
    return { userId, createdMs, seenMs };
  }

  /** The same; that it was used is written down now and then. */
  use(tokenHash: Buffer, nowMs: number): SessionRecord | undefined {
    const session = this.find(tokenHash, nowMs);
    if (session !== undefined && nowMs - session.seenMs >= SESSION_SEEN_MS) {
      noteUse(() =>
        this.#database.prepare('UPDATE sessions SET seen_ms = ? WHERE token_hash = ?').run(nowMs, tokenHash),
      );
    }
    return session;
  }

  remove(tokenHash: Buffer): void {
    this.#database.prepare('DELETE FROM sessions WHERE token_hash = ?').run(tokenHash);
  }

  /** All of a user, but for the one that is given. */
  removeOfUser(userId: number, except?: Buffer): void {
    this.#database
      .prepare('DELETE FROM sessions WHERE user_id = ? AND token_hash IS NOT ?')
      .run(userId, except ?? null);
  }

  #removeOver(nowMs: number): void {
    this.#database
      .prepare('DELETE FROM sessions WHERE created_ms <= ? OR seen_ms <= ?')
      .run(nowMs - SESSION_MS_MAX, nowMs - SESSION_IDLE_MS_MAX);
    this.#database
      .prepare(
        'DELETE FROM sessions WHERE token_hash IN (SELECT token_hash FROM sessions ORDER BY seen_ms DESC LIMIT -1 OFFSET ?)',
      )
      .run(SESSIONS_MAX - 1);
  }
}
