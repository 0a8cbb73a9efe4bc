-- API tokens of programs. Of their text only the hash is kept.
CREATE TABLE token (
  hash BLOB PRIMARY KEY,      -- SHA-256 of the text
  id   TEXT NOT NULL UNIQUE,
  json TEXT NOT NULL,         -- name, role, by, created, expires
  created INTEGER NOT NULL    -- Unix microseconds
) WITHOUT ROWID;
