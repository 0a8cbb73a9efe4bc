-- Where trained models stand, what they said, and what happened to patients.
CREATE TABLE model_standing (
  model TEXT PRIMARY KEY,
  body  TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE model_verdict (
  model   TEXT NOT NULL,
  id      TEXT NOT NULL,
  version TEXT NOT NULL,
  at      INTEGER NOT NULL, -- Unix nanoseconds
  truth   INTEGER,          -- NULL until somebody says
  body    TEXT NOT NULL,
  PRIMARY KEY (model, id)
) WITHOUT ROWID;
CREATE INDEX model_verdict_at ON model_verdict (model, version, at);
CREATE TABLE model_outcome (
  subject TEXT NOT NULL,
  at      INTEGER NOT NULL,
  person  TEXT NOT NULL,
  PRIMARY KEY (subject, at)
) WITHOUT ROWID;
CREATE INDEX model_outcome_at ON model_outcome (at);
