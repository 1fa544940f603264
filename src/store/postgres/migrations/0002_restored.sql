-- Where the store was restored from a backup, a freeze under '*' holds on every instance, also on those that
-- are found later. Here stands where it was lifted.
CREATE TABLE lifted_freezes (
    instance_arn TEXT COLLATE "C" NOT NULL,
    -- GRANTS or REVOCATIONS.
    what         TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (instance_arn, what)
);
