-- The decision log: events are committed as before, and chained afterwards in their order. What is
-- chained never changes again; readers see nothing else.

-- The place in the chain, the hash of the event there, and of the one before it: 32 bytes each.
ALTER TABLE events ADD COLUMN position INTEGER;
ALTER TABLE events ADD COLUMN previous_hash BLOB CHECK ((position IS NULL) = (previous_hash IS NULL));
ALTER TABLE events ADD COLUMN hash BLOB CHECK ((position IS NULL) = (hash IS NULL));
-- The latest time of this event and of all before it: it never falls along the chain, so that a time
-- leads to a place however clocks differed.
ALTER TABLE events ADD COLUMN latest_at INTEGER;
-- The grant that the body names, also where a denial was about it.
ALTER TABLE events ADD COLUMN about_grant_id TEXT;

-- Two events never have one place, whatever a sequencer believes.
CREATE UNIQUE INDEX events_chained ON events (position) WHERE position IS NOT NULL;
CREATE INDEX events_by_time ON events (latest_at, position) WHERE position IS NOT NULL;
CREATE INDEX events_about_grant ON events (about_grant_id, position) WHERE about_grant_id IS NOT NULL;

-- The end of the chain and who may lengthen it. One row: the conditional update of it is the fence,
-- and `epoch` rises with every new holder.
CREATE TABLE log_chain (
    id               INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    position         INTEGER NOT NULL,
    hash             BLOB    NOT NULL,
    latest_at        INTEGER NOT NULL,
    -- Everything up to this number of `events` is chained.
    chained_sequence INTEGER NOT NULL,
    epoch            INTEGER NOT NULL,
    holder           TEXT,
    lease_until      INTEGER,
    CHECK ((holder IS NULL) = (lease_until IS NULL))
);
INSERT INTO log_chain VALUES (1, 0, zeroblob(32), 0, 0, 0, NULL, NULL);

-- Signed places of the chain: heads, and checkpoints, before which events were removed by their age.
CREATE TABLE log_heads (
    kind      TEXT    NOT NULL,
    position  INTEGER NOT NULL,
    hash      BLOB    NOT NULL,
    signed_at INTEGER NOT NULL,
    key_id    TEXT    NOT NULL,
    signature BLOB    NOT NULL,
    PRIMARY KEY (kind, position)
);
