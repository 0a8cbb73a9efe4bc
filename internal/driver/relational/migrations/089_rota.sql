-- Who is on duty: weekly shifts, substitutes and hand-overs; documents are those of engine/rota.
CREATE TABLE rota_item (
  id    TEXT PRIMARY KEY,
  kind  TEXT NOT NULL,    -- shift, substitute, handover
  until INTEGER NOT NULL, -- Unix nanoseconds: end of a substitute, begin of a hand-over, 0 for shifts
  body  BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX rota_item_kind ON rota_item (kind, until);
