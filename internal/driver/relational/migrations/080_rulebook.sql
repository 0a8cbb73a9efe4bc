-- The site's rules: versions that never change but in their state, and every step they took.
CREATE TABLE rule_version (
  rule          TEXT NOT NULL,
  number        INTEGER NOT NULL,
  state         TEXT NOT NULL, -- draft, proposed, approved, shadow, live, retired
  off           INTEGER NOT NULL,
  text          TEXT NOT NULL, -- YAML as it was handed in
  note          TEXT NOT NULL,
  author        TEXT NOT NULL,
  author_name   TEXT NOT NULL,
  at            INTEGER NOT NULL, -- Unix nanoseconds, as all times below
  approver      TEXT NOT NULL DEFAULT '',
  approver_name TEXT NOT NULL DEFAULT '',
  approved_at   INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (rule, number)
) WITHOUT ROWID;
CREATE TABLE rule_step (
  seq    INTEGER PRIMARY KEY,
  rule   TEXT NOT NULL,
  number INTEGER NOT NULL,
  source TEXT NOT NULL, -- state before, '' when the version was written
  target TEXT NOT NULL,
  person TEXT NOT NULL,
  name   TEXT NOT NULL,
  at     INTEGER NOT NULL,
  note   TEXT NOT NULL
);
CREATE INDEX rule_step_rule ON rule_step (rule, seq);

-- What rules on trial would have raised.
CREATE TABLE rule_shadow (
  id       TEXT PRIMARY KEY,
  rule     TEXT NOT NULL,
  version  TEXT NOT NULL,
  subject  TEXT NOT NULL,
  unit     TEXT NOT NULL,
  priority INTEGER NOT NULL,
  metric   TEXT NOT NULL,
  value    REAL NOT NULL,
  peak     REAL NOT NULL,
  onset    INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  ended    INTEGER NOT NULL DEFAULT 0 -- 0 while it would be open
) WITHOUT ROWID;
CREATE INDEX rule_shadow_rule ON rule_shadow (rule, version, at);
CREATE INDEX rule_shadow_open ON rule_shadow (at) WHERE ended = 0;
