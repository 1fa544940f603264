-- The same texts make another set where the default limit of the configuration is another one: each load
-- says which set it put in force. Loads of before say nothing, and stand in for nothing.

ALTER TABLE policy_loads ADD COLUMN version TEXT;
