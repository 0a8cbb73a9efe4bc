-- Messages on their way to people, with their receipts; the document is notify.Message.
CREATE TABLE message (
  id      TEXT PRIMARY KEY,
  alarm   TEXT NOT NULL,
  state   TEXT NOT NULL,
  created INTEGER NOT NULL, -- Unix nanoseconds
  body    BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX message_state ON message (state, created);
CREATE INDEX message_alarm ON message (alarm, created);
