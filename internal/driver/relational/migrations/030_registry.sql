CREATE TABLE device (
  id         TEXT PRIMARY KEY,
  name       TEXT NOT NULL,
  profile    TEXT NOT NULL,
  serial     TEXT NOT NULL DEFAULT '',
  created_ns INTEGER NOT NULL,
  disabled   INTEGER NOT NULL DEFAULT 0,
  token_hash BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE binding (
  device  TEXT NOT NULL REFERENCES device(id),
  from_ns INTEGER NOT NULL,
  to_ns   INTEGER,
  subject TEXT NOT NULL,
  by      TEXT NOT NULL,
  PRIMARY KEY (device, from_ns)
) WITHOUT ROWID;

CREATE TABLE quarantine (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  at_ns    INTEGER NOT NULL,
  device   TEXT NOT NULL,
  protocol TEXT NOT NULL,
  reason   TEXT NOT NULL,
  detail   TEXT NOT NULL,
  payload  BLOB NOT NULL
);
CREATE INDEX quarantine_device ON quarantine (device, reason);
CREATE INDEX quarantine_reason ON quarantine (reason);
