-- The desk: one row an alarm, call, task or notice; the document is vigil.Alarm without its evidence.
CREATE TABLE alarm (
  id       TEXT PRIMARY KEY,
  subject  TEXT NOT NULL,
  unit     TEXT NOT NULL,
  kind     TEXT NOT NULL,
  rule     TEXT NOT NULL,
  priority INTEGER NOT NULL,
  open     INTEGER NOT NULL,
  raised   INTEGER NOT NULL, -- Unix nanoseconds, as all times below
  body     BLOB NOT NULL,
  evidence BLOB
) WITHOUT ROWID;
CREATE INDEX alarm_open ON alarm (raised) WHERE open = 1;
CREATE INDEX alarm_subject ON alarm (subject, raised);
CREATE INDEX alarm_raised ON alarm (raised);

-- The outbox of pages: intents written with the transition they follow from.
CREATE TABLE alarm_page (
  id     TEXT PRIMARY KEY,
  alarm  TEXT NOT NULL REFERENCES alarm (id),
  step   INTEGER NOT NULL,
  person TEXT NOT NULL, -- recipient as JSON
  at     INTEGER NOT NULL,
  sent   INTEGER -- handed to the pager
) WITHOUT ROWID;
CREATE INDEX alarm_page_unsent ON alarm_page (at) WHERE sent IS NULL;
