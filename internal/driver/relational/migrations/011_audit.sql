-- The audit trail: appended, never changed; each hash covers its row and the hash before it.
CREATE TABLE audit (
  seq      INTEGER PRIMARY KEY,
  at       INTEGER NOT NULL, -- Unix microseconds
  who      TEXT NOT NULL,
  role     TEXT NOT NULL,
  action   TEXT NOT NULL,
  what     TEXT NOT NULL,
  outcome  TEXT NOT NULL,
  detail   TEXT NOT NULL,
  subjects TEXT NOT NULL, -- patient ids separated by spaces
  hash     BLOB NOT NULL
);
CREATE TABLE audit_subject (
  subject TEXT NOT NULL,
  seq     INTEGER NOT NULL,
  PRIMARY KEY (subject, seq)
) WITHOUT ROWID;
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
