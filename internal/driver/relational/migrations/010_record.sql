-- FHIR resources: every version for good, the current one by type and id, and search rows by value type.
-- symbol gives each resource type, parameter ("Observation.code") and code system a small number.
CREATE TABLE symbol (
  num  INTEGER PRIMARY KEY,
  text TEXT NOT NULL UNIQUE
);
CREATE TABLE resource_version (
  seq     INTEGER PRIMARY KEY,       -- order of commits over all resources
  res     INTEGER NOT NULL,
  version INTEGER NOT NULL,
  updated INTEGER NOT NULL,          -- Unix microseconds
  deleted INTEGER NOT NULL DEFAULT 0,
  patients TEXT NOT NULL,            -- ids of the patients whose compartments hold this version, separated by spaces
  json    BLOB NOT NULL              -- begins with "{" while plain; other first bytes are free for compressed forms
);
CREATE UNIQUE INDEX resource_version_by_res ON resource_version (res, version);
CREATE TABLE resource (
  res      INTEGER PRIMARY KEY,
  type     INTEGER NOT NULL,
  id       TEXT NOT NULL,
  version  INTEGER NOT NULL,
  seq      INTEGER NOT NULL,         -- the current version
  updated  INTEGER NOT NULL,
  deleted  INTEGER NOT NULL DEFAULT 0,
  idx      BLOB NOT NULL             -- the search rows as written, so that an update removes exactly these
);
CREATE UNIQUE INDEX resource_by_id ON resource (type, id);
CREATE INDEX resource_by_updated ON resource (type, updated);
CREATE TABLE compartment (
  comp  INTEGER NOT NULL,            -- symbol "Patient"
  owner TEXT NOT NULL,
  type  INTEGER NOT NULL,
  res   INTEGER NOT NULL,
  PRIMARY KEY (comp, owner, type, res)
) WITHOUT ROWID;
CREATE TABLE sx_token (
  param INTEGER NOT NULL, code TEXT NOT NULL, res INTEGER NOT NULL, system INTEGER NOT NULL,
  PRIMARY KEY (param, code, res, system)
) WITHOUT ROWID;
CREATE TABLE sx_string (
  param INTEGER NOT NULL, norm TEXT NOT NULL, res INTEGER NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY (param, norm, res, text)
) WITHOUT ROWID;
CREATE TABLE sx_reference (
  param INTEGER NOT NULL, id TEXT NOT NULL, res INTEGER NOT NULL, type INTEGER NOT NULL,
  PRIMARY KEY (param, id, res, type)
) WITHOUT ROWID;
CREATE TABLE sx_date (
  param INTEGER NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL, res INTEGER NOT NULL, -- [low, high) in Unix microseconds
  PRIMARY KEY (param, low, high, res)
) WITHOUT ROWID;
CREATE INDEX sx_date_by_res ON sx_date (res, param, low, high);
CREATE TABLE sx_number (
  param INTEGER NOT NULL, low REAL NOT NULL, high REAL NOT NULL, res INTEGER NOT NULL,
  PRIMARY KEY (param, low, high, res)
) WITHOUT ROWID;
CREATE TABLE sx_quantity (
  param INTEGER NOT NULL, low REAL NOT NULL, high REAL NOT NULL, res INTEGER NOT NULL, system INTEGER NOT NULL, code TEXT NOT NULL,
  PRIMARY KEY (param, low, high, res, system, code)
) WITHOUT ROWID;
CREATE TABLE sx_uri (
  param INTEGER NOT NULL, uri TEXT NOT NULL, res INTEGER NOT NULL,
  PRIMARY KEY (param, uri, res)
) WITHOUT ROWID;
