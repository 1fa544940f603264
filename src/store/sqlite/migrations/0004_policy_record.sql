-- Which policies were in force since when. Events need no change: their grant was optional always.

-- The texts of every set that was ever in force, once each. The hash is over the texts with their
-- table of expected decisions; two sets of one version may differ in that.
CREATE TABLE policy_sets (
    content_hash TEXT NOT NULL PRIMARY KEY,
    version      TEXT NOT NULL,
    texts        TEXT NOT NULL
);
-- Grants name the version that decided.
CREATE INDEX policy_sets_version ON policy_sets (version);

-- Every load: some 100 bytes a start or reload.
CREATE TABLE policy_loads (
    sequence     INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    content_hash TEXT    NOT NULL REFERENCES policy_sets (content_hash),
    loaded_by    TEXT    NOT NULL,
    loaded_at    INTEGER NOT NULL
);

-- What did not load after which load (0 before the first): the key makes it told once.
CREATE TABLE policy_refusals (
    last_load     INTEGER NOT NULL,
    content_hash  TEXT    NOT NULL,
    problem_count INTEGER NOT NULL,
    refused_at    INTEGER NOT NULL,
    PRIMARY KEY (last_load, content_hash)
);
