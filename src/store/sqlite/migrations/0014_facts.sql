-- Facts with their history. A collection is taken in many short transactions, so that grants never wait
-- for it, and is seen when it is finished: every interval names the collections between which it holds.

-- Every key begins with its instance: a number, because there are a million of them.
CREATE TABLE collected_instances (
    number       INTEGER NOT NULL PRIMARY KEY,
    instance_arn TEXT    NOT NULL UNIQUE
);

-- AUTOINCREMENT: a number is never given twice, so that whoever still writes a collection that was undone
-- can never write into a later one.
CREATE TABLE collections (
    id             INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    instance       INTEGER NOT NULL REFERENCES collected_instances (number),
    state          TEXT    NOT NULL,
    began_at       INTEGER NOT NULL,
    ended_at       INTEGER NOT NULL,
    observed_from  INTEGER,
    observed_until INTEGER,
    is_whole       INTEGER NOT NULL,
    missing        TEXT    NOT NULL,
    unread         TEXT    NOT NULL,
    operations     TEXT    NOT NULL,
    counts         TEXT    NOT NULL,
    -- Up to which key facts were taken. Undoing goes back from there.
    taken_kind     INTEGER NOT NULL DEFAULT 0,
    taken_key      TEXT    NOT NULL DEFAULT '',
    taken_second   TEXT    NOT NULL DEFAULT ''
);
CREATE INDEX collections_finished ON collections (instance, ended_at, id) WHERE state = 'FINISHED';
-- One at a time.
CREATE UNIQUE INDEX collections_unfinished ON collections (instance) WHERE state <> 'FINISHED';

-- What facts are about, each once for all its intervals: keys are long and intervals many. The primary
-- key finds what stands on a target and who is in a group, the index what a principal has and is in; as
-- of any collection alike, whether finished or under way, so neither is partial by what is current.
CREATE TABLE fact_keys (
    instance   INTEGER NOT NULL,
    kind       INTEGER NOT NULL,
    key        TEXT    NOT NULL,
    second_key TEXT    NOT NULL,
    number     INTEGER NOT NULL,
    PRIMARY KEY (instance, kind, key, second_key)
) WITHOUT ROWID;
CREATE INDEX fact_keys_second ON fact_keys (instance, kind, second_key, key, number)
    WHERE second_key <> '';

-- What was the case from one collection on, up to before another one; to_collection is null while it
-- still is.
CREATE TABLE facts (
    number          INTEGER NOT NULL,
    from_collection INTEGER NOT NULL,
    to_collection   INTEGER,
    value           TEXT    NOT NULL,
    PRIMARY KEY (number, from_collection)
) WITHOUT ROWID;

-- Which grants stood at a time of the past: those that had not ended by then.
CREATE INDEX grants_ended ON grants (instance_arn, ended_at) WHERE started_at IS NOT NULL;
