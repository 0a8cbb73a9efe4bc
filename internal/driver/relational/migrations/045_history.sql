-- Each version names its type, so that the history of a type is one walk along an index; its entries are in the order of seq.
ALTER TABLE resource_version ADD COLUMN type INTEGER NOT NULL DEFAULT 0;
UPDATE resource_version SET type = (SELECT r.type FROM resource r WHERE r.res = resource_version.res);
CREATE INDEX resource_version_by_type ON resource_version (type);
