-- Programs of other systems that prove themselves with their key, and the access tokens that they have.
CREATE TABLE client (
  id   TEXT PRIMARY KEY,
  json TEXT NOT NULL          -- name, scopes, public keys, by, created
) WITHOUT ROWID;
CREATE TABLE client_grant (
  hash    BLOB PRIMARY KEY,   -- SHA-256 of the text
  client  TEXT NOT NULL,
  scopes  TEXT NOT NULL,
  expires INTEGER NOT NULL    -- Unix microseconds
) WITHOUT ROWID;
CREATE TABLE client_assertion (
  client  TEXT NOT NULL,
  jti     TEXT NOT NULL,
  expires INTEGER NOT NULL,   -- Unix microseconds: after it nobody could show it again
  PRIMARY KEY (client, jti)
) WITHOUT ROWID;
