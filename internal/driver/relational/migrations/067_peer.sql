-- What peers shall have, what is the same here and there, and how far both were followed.
CREATE TABLE peer_item (
  peer  TEXT NOT NULL,
  key   TEXT NOT NULL,
  seq   INTEGER NOT NULL,           -- order of asking
  gen   INTEGER NOT NULL DEFAULT 1, -- how often it was asked for
  added INTEGER NOT NULL,           -- Unix nanoseconds
  due   INTEGER NOT NULL,           -- Unix nanoseconds
  tries INTEGER NOT NULL DEFAULT 0,
  error TEXT NOT NULL DEFAULT '',
  dead  INTEGER NOT NULL DEFAULT 0, -- 1: not tried again by itself
  PRIMARY KEY (peer, key)
) WITHOUT ROWID;
CREATE INDEX peer_item_seq ON peer_item (peer, dead, seq);
CREATE TABLE peer_link (
  peer    TEXT NOT NULL,
  local   TEXT NOT NULL,            -- Patient/x
  remote  TEXT NOT NULL,            -- Patient/17
  version TEXT NOT NULL DEFAULT '', -- of the remote one
  own     INTEGER NOT NULL,         -- 1: made by this house
  PRIMARY KEY (peer, local)
) WITHOUT ROWID;
CREATE UNIQUE INDEX peer_link_remote ON peer_link (peer, remote);
CREATE TABLE peer_mark (
  peer TEXT NOT NULL,
  name TEXT NOT NULL,
  at   TEXT NOT NULL,
  PRIMARY KEY (peer, name)
) WITHOUT ROWID;
