/** The tables of the state, version by version. What is here was released and never changes; a change is one more step. */

export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    password_hash TEXT NOT NULL,
    created_ms INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE sessions (
    token_hash BLOB PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_ms INTEGER NOT NULL,
    seen_ms INTEGER NOT NULL,
    address TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX sessions_of_user ON sessions (user_id);

  CREATE TABLE tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    token_hash BLOB NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    used_ms INTEGER
  ) STRICT;

  CREATE TABLE settings (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('QUEUED', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED')),
    "trigger" TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    started_ms INTEGER,
    ended_ms INTEGER,
    title TEXT NOT NULL,
    request BLOB,
    outcome TEXT,
    result TEXT,
    error_code TEXT,
    reason TEXT,
    problems TEXT NOT NULL DEFAULT '[]',
    problem_count INTEGER NOT NULL DEFAULT 0,
    lines TEXT NOT NULL DEFAULT '[]'
  ) STRICT;
  CREATE INDEX jobs_by_status ON jobs (status);

  CREATE TABLE backups (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    backup_id TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL,
    size_bytes INTEGER,
    includes_books INTEGER NOT NULL CHECK (includes_books IN (0, 1)),
    includes_covers INTEGER NOT NULL CHECK (includes_covers IN (0, 1)),
    status TEXT NOT NULL CHECK (status IN ('IN_PROGRESS', 'COMPLETED', 'FAILED')),
    file_path TEXT,
    created_by TEXT NOT NULL,
    snapshot_id TEXT,
    job_id INTEGER,
    reason TEXT,
    "trigger" TEXT NOT NULL
  ) STRICT;
  CREATE INDEX backups_by_time ON backups (created_at);
  CREATE INDEX backups_by_snapshot ON backups (snapshot_id);
  `,
];
