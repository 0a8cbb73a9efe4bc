-- Replays of rules over kept telemetry: the request, how far it is, and what came of it.
CREATE TABLE rule_replay (
  id   TEXT PRIMARY KEY,
  at   INTEGER NOT NULL, -- Unix nanoseconds
  body BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX rule_replay_at ON rule_replay (at);
