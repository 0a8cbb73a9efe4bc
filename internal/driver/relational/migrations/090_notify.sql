-- How people want to be reached; the document is notify.Settings.
CREATE TABLE notify_settings (
  key  TEXT PRIMARY KEY, -- Practitioner/<id>, account id, or unit:<Location id>
  body BLOB NOT NULL
) WITHOUT ROWID;
