-- Facts under their own keys. A number for each key was to spare bytes, as keys are long; but most facts have one
-- interval alone, so that it spared none, and each reading took a step through a second table for every
-- key that there ever was.

CREATE TABLE facts_by_key (
    instance        INTEGER NOT NULL,
    kind            INTEGER NOT NULL,
    key             TEXT    NOT NULL,
    second_key      TEXT    NOT NULL,
    from_collection INTEGER NOT NULL,
    to_collection   INTEGER,
    value           TEXT    NOT NULL,
    PRIMARY KEY (instance, kind, key, second_key, from_collection)
) WITHOUT ROWID;

INSERT INTO facts_by_key
    SELECT k.instance, k.kind, k.key, k.second_key, f.from_collection, f.to_collection, f.value
    FROM fact_keys AS k CROSS JOIN facts AS f ON f.number = k.number
    ORDER BY k.instance, k.kind, k.key, k.second_key, f.from_collection;

DROP TABLE facts;
DROP TABLE fact_keys;
ALTER TABLE facts_by_key RENAME TO facts;

-- What a principal has, and what a user is in; the primary key tells what stands on a target and who is in a
-- group. As of any collection alike, so neither is partial by what is current.
CREATE INDEX facts_second ON facts (instance, kind, second_key, key, from_collection)
    WHERE second_key <> '';

-- Until now a collection kept of the lists that it read what something named. What it counted says from now on
-- that the whole list is there.
UPDATE collections SET counts = '[]';
