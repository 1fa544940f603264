-- The role that `usher serve` uses. The owner of the tables runs `usher migrate`, and then this, after every
-- migration:
--
--     psql --set service=usher_service --file deploy/postgresql/roles.sql "$OWNER_URL"
--
-- The role exists by then (CREATE ROLE usher_service LOGIN ...). It may add events and chain them, and never change or
-- delete one; old ones go by forget_events alone, behind a checkpoint.

\set ON_ERROR_STOP on
BEGIN;
SELECT format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), :'service') \gexec
SELECT format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO %I', c.relname, :'service')
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = current_schema() AND c.relkind = 'r'
    AND c.relname NOT IN ('events', 'chained_events', 'schema_versions') \gexec
SELECT format('REVOKE ALL ON %I FROM %I', name, :'service')
    FROM unnest(ARRAY['events', 'chained_events', 'schema_versions']) AS name \gexec
GRANT SELECT, INSERT ON events, chained_events TO :"service";
GRANT SELECT ON schema_versions TO :"service";
GRANT EXECUTE ON FUNCTION forget_events(BIGINT) TO :"service";
COMMIT;
