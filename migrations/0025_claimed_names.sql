-- The name that stands on a form; null on other channels. An address that is typed
-- there may be somebody else's, whose name must not come back.
alter table tickets add column claimed_name text;
