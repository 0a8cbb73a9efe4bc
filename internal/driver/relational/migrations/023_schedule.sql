-- Things to do at a time.
CREATE TABLE deadline (
  key     TEXT PRIMARY KEY,
  at      INTEGER NOT NULL, -- Unix nanoseconds
  payload BLOB
) WITHOUT ROWID;
CREATE INDEX deadline_at ON deadline (at);
