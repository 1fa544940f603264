-- The folder that a set was loaded from, so that a start can tell whether the last one was its own. NULL:
-- a built-in set, or a load of an earlier version.
ALTER TABLE policy_loads ADD COLUMN directory TEXT;
