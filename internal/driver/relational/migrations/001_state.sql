-- Small durable facts of rooms: positions, settings, keys. One row a fact, named by its room.
CREATE TABLE state (
  room  TEXT NOT NULL,
  key   TEXT NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY (room, key)
) WITHOUT ROWID;
