-- Accounts and sessions. Passwords and tokens are kept as hashes only.
CREATE TABLE account (
  id       TEXT PRIMARY KEY,
  login    TEXT NOT NULL UNIQUE, -- lower case
  json     TEXT NOT NULL,        -- name, initials, roles, person, disabled
  password TEXT NOT NULL,        -- PHC string, "" when it has none
  created  INTEGER NOT NULL      -- Unix microseconds
) WITHOUT ROWID;
CREATE TABLE session (
  hash    BLOB PRIMARY KEY,      -- SHA-256 of the token
  account TEXT NOT NULL,
  created INTEGER NOT NULL,      -- Unix microseconds
  used    INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX session_by_account ON session (account);
