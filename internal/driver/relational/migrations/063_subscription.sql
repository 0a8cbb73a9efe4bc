-- What Subscriptions were told of, and how far they have it.
CREATE TABLE subscription_state (
  id        TEXT PRIMARY KEY,
  owner     TEXT NOT NULL,
  events    INTEGER NOT NULL DEFAULT 0, -- number of the newest event
  delivered INTEGER NOT NULL DEFAULT 0,
  fails     INTEGER NOT NULL DEFAULT 0,
  since     INTEGER NOT NULL DEFAULT 0, -- Unix nanoseconds of the first failure in a row, 0 for none
  error     TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE subscription_event (
  id     TEXT NOT NULL,
  number INTEGER NOT NULL,
  at     INTEGER NOT NULL, -- Unix nanoseconds
  focus  TEXT NOT NULL,
  json   BLOB,
  PRIMARY KEY (id, number)
) WITHOUT ROWID;
