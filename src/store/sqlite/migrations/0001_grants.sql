-- The first schema. Times and durations are INTEGER microseconds (times since 1970 UTC): both
-- databases compare and index integers alike, and no text form can be ambiguous. Words (states,
-- kinds) are the domain's own; the code refuses rows with words it does not know.

-- What Usher remembers of one assignment, and who works on it. The triple is the key; target
-- stands before principal so that the key's index also finds everything on one target.
CREATE TABLE assignments (
    instance_arn        TEXT    NOT NULL,
    target_kind         TEXT    NOT NULL,
    target              TEXT    NOT NULL,
    principal_type      TEXT    NOT NULL,
    principal_id        TEXT    NOT NULL,
    standing            TEXT    NOT NULL,
    standing_seen_at    INTEGER,
    last_create_at      INTEGER,
    create_acknowledged INTEGER NOT NULL,
    create_seen         INTEGER NOT NULL,
    last_delete_at      INTEGER,
    removal_by          TEXT,
    removal_reason      TEXT,
    removal_at          INTEGER,
    removed_at          INTEGER,
    recheck_at          INTEGER,
    next_attempt_at     INTEGER,
    -- Derived at every write: the first instant at which an end is to be acted on (a removal, a
    -- grant in REVOKING, an active grant's end). What is past it comes before other due work.
    end_due_at          INTEGER,
    failed_attempts     INTEGER NOT NULL,
    refusing_since      INTEGER,
    last_failure        TEXT,
    version             INTEGER NOT NULL,
    lease_holder        TEXT,
    lease_until         INTEGER,
    PRIMARY KEY (instance_arn, target_kind, target, principal_type, principal_id),
    CHECK ((lease_holder IS NULL) = (lease_until IS NULL))
);

-- Due work, oldest first; with the target, because what is due on one is counted. Most assignments
-- rest for ever: partial, so that they cost nothing here.
CREATE INDEX assignments_due ON assignments (instance_arn, next_attempt_at, target_kind, target)
    WHERE next_attempt_at IS NOT NULL;
CREATE INDEX assignments_ends ON assignments (instance_arn, end_due_at)
    WHERE end_due_at IS NOT NULL;
-- Everything of one principal: standing marks, grants, reports.
CREATE INDEX assignments_of_principal ON assignments (instance_arn, principal_type, principal_id);

-- Writes to one target go one at a time: the database itself refuses a second claim on a target.
-- A lease that is over is cleared before another one is taken.
CREATE UNIQUE INDEX assignments_claimed ON assignments (instance_arn, target_kind, target)
    WHERE lease_holder IS NOT NULL;

CREATE TABLE grants (
    id                    TEXT    NOT NULL PRIMARY KEY,
    instance_arn          TEXT    NOT NULL,
    target_kind           TEXT    NOT NULL,
    target                TEXT    NOT NULL,
    principal_type        TEXT    NOT NULL,
    principal_id          TEXT    NOT NULL,
    state                 TEXT    NOT NULL,
    people_count          INTEGER NOT NULL,
    requested_by          TEXT    NOT NULL,
    subject               TEXT    NOT NULL,
    justification         TEXT    NOT NULL,
    ticket                TEXT    NOT NULL,
    policies              TEXT    NOT NULL,
    policy_version        TEXT    NOT NULL,
    duration_microseconds INTEGER,
    created_at            INTEGER NOT NULL,
    started_at            INTEGER,
    end_at                INTEGER,
    ended_at              INTEGER,
    ending_kind           TEXT,
    ending_by             TEXT,
    ending_reason         TEXT,
    ending_at             INTEGER,
    failure               TEXT,
    version               INTEGER NOT NULL,
    -- A grant without a record would never be worked on.
    FOREIGN KEY (instance_arn, target_kind, target, principal_type, principal_id)
        REFERENCES assignments (instance_arn, target_kind, target, principal_type, principal_id)
);

-- Every claim and every caller's write reads the grants on one assignment that are not over; the
-- finished ones, which grow without end, are left out.
CREATE INDEX grants_open ON grants (instance_arn, target_kind, target, principal_type, principal_id)
    WHERE state IN ('PROVISIONING', 'ACTIVE', 'REVOKING');
CREATE INDEX grants_open_of_principal ON grants (instance_arn, principal_type, principal_id)
    WHERE state IN ('PROVISIONING', 'ACTIVE', 'REVOKING');
-- ListGrants pages newest first by id within the filters that callers use, always in one instance;
-- ids sort by creation.
CREATE INDEX grants_of_instance ON grants (instance_arn, id);
CREATE INDEX grants_of_principal ON grants (instance_arn, principal_type, principal_id, id);
CREATE INDEX grants_of_target ON grants (instance_arn, target_kind, target, id);
CREATE INDEX grants_of_requester ON grants (instance_arn, requested_by, id);
CREATE INDEX grants_of_ticket ON grants (instance_arn, ticket, id) WHERE ticket <> '';
CREATE INDEX grants_of_state ON grants (instance_arn, state, id);
-- Overdue ends are counted every few seconds.
CREATE INDEX grants_ends ON grants (end_at) WHERE state = 'ACTIVE';
CREATE INDEX grants_endings ON grants (ending_at) WHERE state = 'REVOKING';

-- The log. AUTOINCREMENT: a number is never given twice, so a reader that has seen number n has
-- seen everything before it. The body is the event; the grant's id stands beside it to be found.
CREATE TABLE events (
    sequence INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    grant_id TEXT,
    body     TEXT NOT NULL
);
CREATE INDEX events_of_grant ON events (grant_id, sequence) WHERE grant_id IS NOT NULL;

-- Request ids: the primary key is what makes one of many equal calls the first.
CREATE TABLE requests (
    caller         TEXT    NOT NULL,
    subject        TEXT    NOT NULL,
    request_id     TEXT    NOT NULL,
    content_hash   TEXT    NOT NULL,
    grant_ids      TEXT    NOT NULL,
    instance_arn   TEXT    NOT NULL,
    target_kind    TEXT    NOT NULL,
    target         TEXT    NOT NULL,
    principal_type TEXT    NOT NULL,
    principal_id   TEXT    NOT NULL,
    used_at        INTEGER NOT NULL,
    PRIMARY KEY (caller, subject, request_id)
);
-- Old ones are forgotten by age.
CREATE INDEX requests_used ON requests (used_at);

-- Names beside ids, apart from the log so that they can be erased.
CREATE TABLE names (
    kind    TEXT    NOT NULL,
    id      TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
);

CREATE TABLE secrets (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
);
