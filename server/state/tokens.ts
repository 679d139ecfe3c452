/** Tokens of scripts. Only their hashes are kept. */

import { SCOPES, type Scope } from '../auth/scopes.ts';
import { SESSION_SEEN_MS } from '../limits.ts';
import { noteUse, type StateDatabase } from './database.ts';

export interface Token {
  readonly id: number;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly createdBy: string;
  readonly createdMs: number;
  /** Undefined: it does not end by itself. */
  readonly expiresMs: number | undefined;
  readonly usedMs: number | undefined;
}

interface TokenRow {
  readonly id: number;
  readonly name: string;
  readonly scopes: string;
  readonly created_by: string;
  readonly created_ms: number;
  readonly expires_ms: number | null;
  readonly used_ms: number | null;
}

export class TokenStore {
  readonly #database: StateDatabase;

  constructor(database: StateDatabase) {
    this.#database = database;
  }

  count(): number {
    return this.#database.prepare('SELECT count(*) FROM tokens').pluck().get() as number;
  }

  list(): Token[] {
    return (this.#database.prepare('SELECT * FROM tokens ORDER BY id').all() as TokenRow[]).map(tokenOf);
  }

  add(tokenHash: Buffer, token: Omit<Token, 'id' | 'usedMs'>): Token {
    const { name, scopes, createdBy, createdMs, expiresMs } = token;
    const { lastInsertRowid } = this.#database
      .prepare(
        'INSERT INTO tokens (name, token_hash, scopes, created_by, created_ms, expires_ms) VALUES (?, ?, ?, ?, ?, ?)',
      )
      .run(name, tokenHash, JSON.stringify(scopes), createdBy, createdMs, expiresMs ?? null);
    return { ...token, id: Number(lastInsertRowid), usedMs: undefined };
  }

  /** Undefined for one that is over. That it was used is written down now and then. */
  use(tokenHash: Buffer, nowMs: number): Token | undefined {
    const row = this.#database.prepare('SELECT * FROM tokens WHERE token_hash = ?').get(tokenHash);
    const token = row === undefined ? undefined : tokenOf(row as TokenRow);
    if (token === undefined || isOver(token, nowMs)) return undefined;
    if (nowMs - (token.usedMs ?? 0) >= SESSION_SEEN_MS) {
      noteUse(() => this.#database.prepare('UPDATE tokens SET used_ms = ? WHERE id = ?').run(nowMs, token.id));
    }
    return token;
  }

  /** Undefined for one that is over. */
  find(id: number, nowMs: number): Token | undefined {
    const row = this.#database.prepare('SELECT * FROM tokens WHERE id = ?').get(id);
    const token = row === undefined ? undefined : tokenOf(row as TokenRow);
    return token === undefined || isOver(token, nowMs) ? undefined : token;
  }

  remove(id: number): boolean {
    return this.#database.prepare('DELETE FROM tokens WHERE id = ?').run(id).changes > 0;
  }
}

function isOver({ expiresMs }: Token, nowMs: number): boolean {
  return expiresMs !== undefined && nowMs >= expiresMs;
}

function tokenOf(row: TokenRow): Token {
  const scopes = JSON.parse(row.scopes) as readonly string[];
  return {
    id: row.id,
    name: row.name,
    scopes: SCOPES.filter((scope) => scopes.includes(scope)),
    createdBy: row.created_by,
    createdMs: row.created_ms,
    expiresMs: row.expires_ms ?? undefined,
    usedMs: row.used_ms ?? undefined,
  };
}
