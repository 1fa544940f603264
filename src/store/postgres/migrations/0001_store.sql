-- The store of several replicas, as the SQLite store has it, but for three things: texts are ordered byte by
-- byte whatever the database's language is; rows of the log never change once they are written, so that a
-- role may be kept from changing them; and what only one process can know is told by its time.

-- Now, in microseconds since 1970: of all clocks the database's is the one that counts.
CREATE FUNCTION now_microseconds() RETURNS BIGINT LANGUAGE sql VOLATILE PARALLEL SAFE AS
    $$ SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::bigint $$;

CREATE TABLE assignments (
    -- Names a row also where its key cannot be read.
    number              BIGINT GENERATED ALWAYS AS IDENTITY,
    instance_arn        TEXT COLLATE "C" NOT NULL,
    target_kind         TEXT COLLATE "C" NOT NULL,
    target              TEXT COLLATE "C" NOT NULL,
    principal_type      TEXT COLLATE "C" NOT NULL,
    principal_id        TEXT COLLATE "C" NOT NULL,
    standing            TEXT COLLATE "C" NOT NULL,
    standing_seen_at    BIGINT,
    last_create_at      BIGINT,
    create_acknowledged BIGINT NOT NULL,
    create_seen         BIGINT NOT NULL,
    last_delete_at      BIGINT,
    removal_by          TEXT COLLATE "C",
    removal_reason      TEXT COLLATE "C",
    removal_at          BIGINT,
    removed_at          BIGINT,
    recheck_at          BIGINT,
    next_attempt_at     BIGINT,
    -- Derived at every write: the first instant at which an end is to be acted on (a removal, a
    -- grant in REVOKING, an active grant's end). What is past it comes before other due work.
    end_due_at          BIGINT,
    failed_attempts     BIGINT NOT NULL,
    refusing_since      BIGINT,
    last_failure        TEXT COLLATE "C",
    version             BIGINT NOT NULL,
    lease_holder        TEXT COLLATE "C",
    lease_until         BIGINT,
    failed_operations BIGINT NOT NULL DEFAULT 0,
    pending_write TEXT COLLATE "C",
    pending_since BIGINT
    CHECK ((pending_write IS NULL) = (pending_since IS NULL)),
    pending_request_id TEXT COLLATE "C"
    CHECK (pending_request_id IS NULL OR pending_write IS NOT NULL),
    asynchronous_slot BIGINT NOT NULL DEFAULT 0
    CHECK (asynchronous_slot IN (0, 1) AND (pending_write IS NULL OR asynchronous_slot = 1)),
    pending_own_before BIGINT NOT NULL DEFAULT 1
    CHECK (pending_own_before IN (0, 1)),
    frozen_write TEXT COLLATE "C",
    intended_write TEXT COLLATE "C",
    work_kind BIGINT NOT NULL DEFAULT 2,
    gone_at BIGINT,
    PRIMARY KEY (instance_arn, target_kind, target, principal_type, principal_id),
    CHECK ((lease_holder IS NULL) = (lease_until IS NULL))
);
CREATE INDEX assignments_ends ON assignments (instance_arn, end_due_at)
    WHERE end_due_at IS NOT NULL;
CREATE INDEX assignments_of_principal ON assignments (instance_arn, principal_type, principal_id);
CREATE UNIQUE INDEX assignments_claimed ON assignments (instance_arn, target_kind, target)
    WHERE lease_holder IS NOT NULL;
CREATE INDEX assignments_outstanding ON assignments (instance_arn) WHERE asynchronous_slot = 1;
CREATE INDEX assignments_frozen ON assignments (instance_arn, frozen_write)
    WHERE frozen_write IS NOT NULL;
CREATE INDEX assignments_intended ON assignments (instance_arn, intended_write)
    WHERE intended_write IS NOT NULL;
CREATE INDEX assignments_due ON assignments
    (instance_arn, work_kind, next_attempt_at, target_kind, target)
    WHERE next_attempt_at IS NOT NULL;

CREATE TABLE grants (
    id                    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    instance_arn          TEXT COLLATE "C" NOT NULL,
    target_kind           TEXT COLLATE "C" NOT NULL,
    target                TEXT COLLATE "C" NOT NULL,
    principal_type        TEXT COLLATE "C" NOT NULL,
    principal_id          TEXT COLLATE "C" NOT NULL,
    state                 TEXT COLLATE "C" NOT NULL,
    people_count          BIGINT NOT NULL,
    requested_by          TEXT COLLATE "C" NOT NULL,
    subject               TEXT COLLATE "C" NOT NULL,
    justification         TEXT COLLATE "C" NOT NULL,
    ticket                TEXT COLLATE "C" NOT NULL,
    policies              TEXT COLLATE "C" NOT NULL,
    policy_version        TEXT COLLATE "C" NOT NULL,
    duration_microseconds BIGINT,
    created_at            BIGINT NOT NULL,
    started_at            BIGINT,
    end_at                BIGINT,
    ended_at              BIGINT,
    ending_kind           TEXT COLLATE "C",
    ending_by             TEXT COLLATE "C",
    ending_reason         TEXT COLLATE "C",
    ending_at             BIGINT,
    failure               TEXT COLLATE "C",
    version               BIGINT NOT NULL,
    service TEXT COLLATE "C",
    subject_proven BIGINT NOT NULL DEFAULT 1
    CHECK (subject_proven IN (0, 1)),
    known_as TEXT COLLATE "C",
    paths TEXT COLLATE "C" NOT NULL DEFAULT '[]',
    break_glass BIGINT NOT NULL DEFAULT 0
    CHECK (break_glass IN (0, 1)),
    review_due BIGINT NOT NULL DEFAULT 0
    CHECK (review_due IN (0, 1) AND (review_due = 0 OR break_glass = 1)),
    adopted_from TEXT COLLATE "C",
    owner TEXT COLLATE "C" CHECK (owner IS NULL OR adopted_from IS NOT NULL),
    start_asked_at BIGINT,
    lapses_at BIGINT,
    look_at BIGINT,
    extension TEXT COLLATE "C",
    extension_count BIGINT NOT NULL DEFAULT 0,
    -- A grant without a record would never be worked on.
    FOREIGN KEY (instance_arn, target_kind, target, principal_type, principal_id)
        REFERENCES assignments (instance_arn, target_kind, target, principal_type, principal_id)
);
CREATE INDEX grants_open ON grants (instance_arn, target_kind, target, principal_type, principal_id)
    WHERE state IN ('PROVISIONING', 'ACTIVE', 'REVOKING');
CREATE INDEX grants_of_instance ON grants (instance_arn, id);
CREATE INDEX grants_of_principal ON grants (instance_arn, principal_type, principal_id, id);
CREATE INDEX grants_of_target ON grants (instance_arn, target_kind, target, id);
CREATE INDEX grants_of_requester ON grants (instance_arn, requested_by, id);
CREATE INDEX grants_of_ticket ON grants (instance_arn, ticket, id) WHERE ticket <> '';
CREATE INDEX grants_of_state ON grants (instance_arn, state, id);
CREATE INDEX grants_ends ON grants (end_at) WHERE state = 'ACTIVE';
CREATE INDEX grants_endings ON grants (ending_at) WHERE state = 'REVOKING';
CREATE INDEX grants_look ON grants (instance_arn, look_at) WHERE look_at IS NOT NULL;
CREATE INDEX grants_wishes ON grants (instance_arn, id)
    WHERE look_at IS NOT NULL AND state <> 'SCHEDULED';
CREATE INDEX grants_waiting ON grants (instance_arn, target_kind, target, principal_type, principal_id)
    WHERE state IN ('PENDING_APPROVAL', 'SCHEDULED');
CREATE INDEX grants_of_subject ON grants (instance_arn, subject, id);
CREATE INDEX grants_unreviewed ON grants (instance_arn, id) WHERE review_due = 1;
CREATE INDEX grants_open_of_principal ON grants (instance_arn, principal_type, principal_id)
    WHERE state IN ('PROVISIONING', 'ACTIVE', 'REVOKING');
CREATE INDEX grants_beneficiaries ON grants (instance_arn, principal_type, principal_id)
    WHERE state = 'ACTIVE';
CREATE INDEX grants_beginning ON grants (state, created_at)
    WHERE state IN ('PENDING_APPROVAL', 'SCHEDULED', 'PROVISIONING');
CREATE INDEX grants_ended ON grants (instance_arn, ended_at) WHERE started_at IS NOT NULL;

CREATE TABLE requests (
    caller         TEXT COLLATE "C" NOT NULL,
    subject        TEXT COLLATE "C" NOT NULL,
    request_id     TEXT COLLATE "C" NOT NULL,
    content_hash   TEXT COLLATE "C" NOT NULL,
    grant_ids      TEXT COLLATE "C" NOT NULL,
    instance_arn   TEXT COLLATE "C" NOT NULL,
    target_kind    TEXT COLLATE "C" NOT NULL,
    target         TEXT COLLATE "C" NOT NULL,
    principal_type TEXT COLLATE "C" NOT NULL,
    principal_id   TEXT COLLATE "C" NOT NULL,
    used_at        BIGINT NOT NULL,
    PRIMARY KEY (caller, subject, request_id)
);
CREATE INDEX requests_used ON requests (used_at);

CREATE TABLE names (
    kind    TEXT COLLATE "C" NOT NULL,
    id      TEXT COLLATE "C" NOT NULL,
    name    TEXT COLLATE "C" NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);

CREATE TABLE secrets (
    name  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value BYTEA NOT NULL
);

CREATE TABLE policy_sets (
    content_hash TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    version      TEXT COLLATE "C" NOT NULL,
    texts        TEXT COLLATE "C" NOT NULL
);
CREATE INDEX policy_sets_version ON policy_sets (version);

CREATE TABLE policy_loads (
    sequence     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    content_hash TEXT COLLATE "C" NOT NULL REFERENCES policy_sets (content_hash),
    loaded_by    TEXT COLLATE "C" NOT NULL,
    loaded_at    BIGINT NOT NULL
,
    directory TEXT COLLATE "C",
    version TEXT COLLATE "C");

CREATE TABLE policy_refusals (
    last_load     BIGINT NOT NULL,
    content_hash  TEXT COLLATE "C" NOT NULL,
    problem_count BIGINT NOT NULL,
    refused_at    BIGINT NOT NULL,
    PRIMARY KEY (last_load, content_hash)
);

CREATE TABLE freezes (
    instance_arn TEXT COLLATE "C" NOT NULL,
    -- GRANTS or REVOCATIONS.
    what         TEXT COLLATE "C" NOT NULL,
    frozen_by    TEXT COLLATE "C" NOT NULL,
    reason       TEXT COLLATE "C" NOT NULL,
    frozen_at    BIGINT NOT NULL,
    PRIMARY KEY (instance_arn, what)
);

CREATE TABLE mass_changes (
    id            TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    instance_arn  TEXT COLLATE "C" NOT NULL,
    state         TEXT COLLATE "C" NOT NULL,
    found_at      BIGINT NOT NULL,
    watched_count BIGINT NOT NULL,
    confirmed_by  TEXT COLLATE "C",
    reason        TEXT COLLATE "C"
);
CREATE UNIQUE INDEX mass_changes_held ON mass_changes (instance_arn) WHERE state = 'HELD';
CREATE INDEX mass_changes_open ON mass_changes (instance_arn, id)
    WHERE state IN ('HELD', 'CONFIRMED');

CREATE TABLE mass_change_principals (
    mass_change_id TEXT COLLATE "C" NOT NULL REFERENCES mass_changes (id),
    principal_type TEXT COLLATE "C" NOT NULL,
    principal_id   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (mass_change_id, principal_type, principal_id)
);

CREATE TABLE reviews (
    grant_id    TEXT COLLATE "C" NOT NULL REFERENCES grants (id),
    round       BIGINT NOT NULL,
    reviewer    TEXT COLLATE "C" NOT NULL,
    -- The service that vouches; empty for the reviewer's own word.
    vouched_by  TEXT COLLATE "C" NOT NULL,
    caller      TEXT COLLATE "C" NOT NULL,
    service     TEXT COLLATE "C",
    decision    TEXT COLLATE "C" NOT NULL,
    subject_proven BIGINT NOT NULL CHECK (subject_proven IN (0, 1)),
    digest      TEXT COLLATE "C" NOT NULL,
    reason      TEXT COLLATE "C" NOT NULL,
    reviewed_at BIGINT NOT NULL,
    PRIMARY KEY (grant_id, round, reviewer, vouched_by)
);
CREATE INDEX reviews_of_reviewer ON reviews (reviewer, grant_id);
CREATE INDEX reviews_of_voucher ON reviews (vouched_by, grant_id) WHERE vouched_by <> '';

CREATE TABLE collected_instances (
    number       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instance_arn TEXT COLLATE "C" NOT NULL UNIQUE
,
    first_whole BIGINT);

CREATE TABLE collections (
    id             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instance       BIGINT NOT NULL REFERENCES collected_instances (number),
    state          TEXT COLLATE "C" NOT NULL,
    began_at       BIGINT NOT NULL,
    ended_at       BIGINT NOT NULL,
    observed_from  BIGINT,
    observed_until BIGINT,
    is_whole       BIGINT NOT NULL,
    missing        TEXT COLLATE "C" NOT NULL,
    unread         TEXT COLLATE "C" NOT NULL,
    operations     TEXT COLLATE "C" NOT NULL,
    counts         TEXT COLLATE "C" NOT NULL,
    -- Up to which key facts were taken. Undoing goes back from there.
    taken_kind     BIGINT NOT NULL DEFAULT 0,
    taken_key      TEXT COLLATE "C" NOT NULL DEFAULT '',
    taken_second   TEXT COLLATE "C" NOT NULL DEFAULT ''
);
CREATE INDEX collections_finished ON collections (instance, ended_at, id) WHERE state = 'FINISHED';
CREATE UNIQUE INDEX collections_unfinished ON collections (instance) WHERE state <> 'FINISHED';

CREATE TABLE reading_runs (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instance    BIGINT NOT NULL REFERENCES collected_instances (number),
    began_at    BIGINT NOT NULL,
    is_finished BIGINT NOT NULL DEFAULT 0,
    -- Whose run it is, and until when others take it as held.
    holder      TEXT COLLATE "C" NOT NULL,
    held_until  BIGINT NOT NULL
);
CREATE INDEX reading_runs_unfinished ON reading_runs (instance, id) WHERE is_finished = 0;
CREATE INDEX reading_runs_age ON reading_runs (began_at);

CREATE TABLE reading_pages (
    number    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instance  BIGINT NOT NULL REFERENCES collected_instances (number),
    operation TEXT COLLATE "C" NOT NULL,
    about     TEXT COLLATE "C" NOT NULL,
    page      BIGINT NOT NULL,
    run       BIGINT NOT NULL,
    began_at  BIGINT NOT NULL,
    read_at   BIGINT NOT NULL,
    is_last   BIGINT NOT NULL,
    content   TEXT COLLATE "C" NOT NULL,
    UNIQUE (instance, operation, about, page)
);
CREATE INDEX reading_pages_whole
    ON reading_pages (instance, operation, about, began_at, run, page, is_last);
CREATE INDEX reading_pages_age ON reading_pages (began_at);

CREATE TABLE facts (
    instance        BIGINT NOT NULL,
    kind            BIGINT NOT NULL,
    key             TEXT COLLATE "C" NOT NULL,
    second_key      TEXT COLLATE "C" NOT NULL,
    from_collection BIGINT NOT NULL,
    to_collection   BIGINT,
    value           TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (instance, kind, key, second_key, from_collection)
);
CREATE INDEX facts_second ON facts (instance, kind, second_key, key, from_collection)
    WHERE second_key <> '';

-- The decision log. Numbers are not given in the order of commits: what waits to be chained is told by a table
-- of its own. The events and their chain are only ever added to.
CREATE TABLE events (
    sequence BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    grant_id TEXT COLLATE "C",
    body     TEXT COLLATE "C" NOT NULL
);
CREATE INDEX events_of_grant ON events (grant_id, sequence) WHERE grant_id IS NOT NULL;

CREATE TABLE waiting_events (
    sequence BIGINT NOT NULL PRIMARY KEY
);

CREATE TABLE chained_events (
    -- Two events never have one place, whatever a sequencer believes.
    position       BIGINT NOT NULL PRIMARY KEY,
    sequence       BIGINT NOT NULL UNIQUE REFERENCES events (sequence),
    previous_hash  BYTEA  NOT NULL,
    hash           BYTEA  NOT NULL,
    -- The latest time of this event and of all before it.
    latest_at      BIGINT NOT NULL,
    -- The grant that the body names, also where a denial was about it.
    about_grant_id TEXT COLLATE "C"
);
CREATE INDEX chained_events_by_time ON chained_events (latest_at, position);
CREATE INDEX chained_events_about_grant ON chained_events (about_grant_id, position)
    WHERE about_grant_id IS NOT NULL;

-- The end of the chain and who may lengthen it. One row: the conditional update of it is the fence.
CREATE TABLE log_chain (
    id               BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    position         BIGINT NOT NULL,
    hash             BYTEA  NOT NULL,
    latest_at        BIGINT NOT NULL,
    -- The number of the last event that was chained.
    chained_sequence BIGINT NOT NULL,
    epoch            BIGINT NOT NULL,
    holder           TEXT COLLATE "C",
    lease_until      BIGINT,
    CHECK ((holder IS NULL) = (lease_until IS NULL))
);
INSERT INTO log_chain VALUES (1, 0, decode(repeat('00', 32), 'hex'), 0, 0, 0, NULL, NULL);

CREATE TABLE log_heads (
    kind      TEXT COLLATE "C" NOT NULL,
    position  BIGINT NOT NULL,
    hash      BYTEA  NOT NULL,
    signed_at BIGINT NOT NULL,
    key_id    TEXT COLLATE "C" NOT NULL,
    signature BYTEA  NOT NULL,
    PRIMARY KEY (kind, position)
);

-- Old events go as their owner lets them, behind a checkpoint that stands at that place: the service itself may
-- be kept from deleting any.
-- Its path ends with the session's own tables, which otherwise come before all others: triggers on them would run with
-- the owner's rights.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);
CREATE FUNCTION forget_events(upto BIGINT) RETURNS BIGINT LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT AS $$
DECLARE
    gone BIGINT[];
BEGIN
    IF NOT EXISTS (SELECT 1 FROM log_heads JOIN chained_events USING (position, hash)
                   WHERE kind = 'checkpoint' AND position = upto) THEN
        RAISE EXCEPTION 'no checkpoint stands at %', upto;
    END IF;
    WITH unchained AS (DELETE FROM chained_events WHERE position <= upto RETURNING sequence)
    SELECT array_agg(sequence) INTO gone FROM unchained;
    DELETE FROM events WHERE sequence = ANY (gone);
    RETURN COALESCE(array_length(gone, 1), 0);
END $$;
REVOKE ALL ON FUNCTION forget_events(BIGINT) FROM PUBLIC;

-- The budget that replicas share: of each quota bucket, when it would be full again if nothing more were taken, and
-- until when AWS wants nothing. Not written ahead: after a crash of the server it is gone, and every bucket begins
-- empty. Half of each page stays free, so that an update finds its place on the same one.
CREATE UNLOGGED TABLE budget_buckets (
    name         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    full_at      BIGINT NOT NULL,
    paused_until BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- What one replica does for all, and until when it is that one's.
CREATE TABLE duties (
    name       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    holder     TEXT COLLATE "C" NOT NULL,
    held_until BIGINT NOT NULL
);
