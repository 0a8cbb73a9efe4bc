-- Alarms that somebody turned off for a time; the document is alarm.Off.
CREATE TABLE alarm_off (
  id       TEXT PRIMARY KEY,
  standing INTEGER NOT NULL,
  began    INTEGER NOT NULL, -- Unix nanoseconds
  body     BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX alarm_off_standing ON alarm_off (began) WHERE standing = 1;
CREATE INDEX alarm_off_began ON alarm_off (began);
