-- Personal limits of patients; an open side is NULL. Who set them stands in the audit trail.
CREATE TABLE personal_limit (
  subject TEXT NOT NULL,
  metric  TEXT NOT NULL,
  low     REAL,
  high    REAL,
  PRIMARY KEY (subject, metric)
) WITHOUT ROWID;
