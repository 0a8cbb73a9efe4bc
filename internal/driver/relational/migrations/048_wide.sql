-- Ranges that reach far beyond their low end are rare. With an index of their own by the high end, "greater than" is one
-- walk along the rest by the low end, and one along these.
CREATE INDEX sx_number_wide ON sx_number (param, high) WHERE low <> high;
CREATE INDEX sx_quantity_wide ON sx_quantity (param, high) WHERE low <> high;
CREATE INDEX sx_date_wide ON sx_date (param, high) WHERE high > low + 86400000000;
