-- Who wrote a version: the account, program or part of the house, as a symbol; 0 for versions from before this was kept.
ALTER TABLE resource_version ADD COLUMN author INTEGER NOT NULL DEFAULT 0;
