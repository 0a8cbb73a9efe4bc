-- Consults and their messages; documents are consult.Consult without messages, and consult.Message.
CREATE TABLE consult (
  id      TEXT PRIMARY KEY,
  patient TEXT NOT NULL,
  closed  INTEGER NOT NULL,
  opened  INTEGER NOT NULL, -- Unix nanoseconds
  body    BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX consult_patient ON consult (patient, opened);
CREATE UNIQUE INDEX consult_open ON consult (patient) WHERE closed = 0;

CREATE TABLE consult_message (
  num      INTEGER PRIMARY KEY,
  id       TEXT NOT NULL UNIQUE,
  consult  TEXT NOT NULL REFERENCES consult (id),
  recorded INTEGER NOT NULL DEFAULT 0,
  body     BLOB NOT NULL
);
CREATE INDEX consult_message_consult ON consult_message (consult, num);
CREATE INDEX consult_message_unrecorded ON consult_message (num) WHERE recorded = 0;
