-- The resources of a type in the order in which they came, for searches that select little else.
CREATE INDEX resource_by_type ON resource (type) WHERE deleted = 0;
