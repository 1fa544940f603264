-- The brake: what operators have stopped, what waits for it, and what is held because too many
-- people would lose access at once.

CREATE TABLE freezes (
    instance_arn TEXT    NOT NULL,
    -- GRANTS or REVOCATIONS.
    what         TEXT    NOT NULL,
    frozen_by    TEXT    NOT NULL,
    reason       TEXT    NOT NULL,
    frozen_at    INTEGER NOT NULL,
    PRIMARY KEY (instance_arn, what)
);

-- The write that a freeze stopped: an Unfreeze makes the assignment due.
ALTER TABLE assignments ADD COLUMN frozen_write TEXT;
CREATE INDEX assignments_frozen ON assignments (instance_arn, frozen_write)
    WHERE frozen_write IS NOT NULL;
-- The write whose intent was the last step under the present lease: it may be on its way to AWS. A
-- Freeze waits for these.
ALTER TABLE assignments ADD COLUMN intended_write TEXT;
CREATE INDEX assignments_intended ON assignments (instance_arn, intended_write)
    WHERE intended_write IS NOT NULL;

CREATE TABLE mass_changes (
    id            TEXT    NOT NULL PRIMARY KEY,
    instance_arn  TEXT    NOT NULL,
    state         TEXT    NOT NULL,
    found_at      INTEGER NOT NULL,
    watched_count INTEGER NOT NULL,
    confirmed_by  TEXT,
    reason        TEXT
);
-- One is held at a time: it grows while it is.
CREATE UNIQUE INDEX mass_changes_held ON mass_changes (instance_arn) WHERE state = 'HELD';
CREATE INDEX mass_changes_open ON mass_changes (instance_arn, id)
    WHERE state IN ('HELD', 'CONFIRMED');

CREATE TABLE mass_change_principals (
    mass_change_id TEXT NOT NULL REFERENCES mass_changes (id),
    principal_type TEXT NOT NULL,
    principal_id   TEXT NOT NULL,
    PRIMARY KEY (mass_change_id, principal_type, principal_id)
);

-- Who has access by a grant: everybody is looked at again and again, the finished grants are not.
CREATE INDEX grants_beneficiaries ON grants (instance_arn, principal_type, principal_id)
    WHERE state = 'ACTIVE';
