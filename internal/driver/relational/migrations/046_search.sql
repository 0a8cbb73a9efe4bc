-- Composite parameters: the parts of one element in one row. Texts stand in a and b, ranges in low, high and low2, high2;
-- a position has its latitude in low and its longitude in low2.
CREATE TABLE sx_composite (
  param INTEGER NOT NULL, a TEXT NOT NULL, b TEXT NOT NULL, low REAL NOT NULL, low2 REAL NOT NULL, res INTEGER NOT NULL,
  asys INTEGER NOT NULL, bsys INTEGER NOT NULL, high REAL NOT NULL, high2 REAL NOT NULL,
  PRIMARY KEY (param, a, b, low, low2, res, asys, bsys, high, high2)
) WITHOUT ROWID;
-- What people read beside a code, for ":text": the folded text is a symbol behind a byte 1.
CREATE TABLE sx_text (
  param INTEGER NOT NULL, text INTEGER NOT NULL, res INTEGER NOT NULL,
  PRIMARY KEY (param, text, res)
) WITHOUT ROWID;
-- A patient's chart in the order of clinical time: at is the latest start of the type's search parameter "date" in Unix
-- microseconds, -2^63 where there is none.
CREATE TABLE chart (
  comp  INTEGER NOT NULL,
  owner TEXT NOT NULL,
  type  INTEGER NOT NULL,
  at    INTEGER NOT NULL,
  res   INTEGER NOT NULL,
  PRIMARY KEY (comp, owner, type, at, res)
) WITHOUT ROWID;
INSERT INTO chart (comp, owner, type, at, res)
SELECT c.comp, c.owner, c.type, coalesce((
  SELECT max(d.low) FROM sx_date d WHERE d.res = c.res AND d.param = (
    SELECT p.num FROM symbol p, symbol t WHERE t.num = c.type AND p.text = t.text || '.date')), -9223372036854775807 - 1), c.res
FROM compartment c;
DROP TABLE compartment;
