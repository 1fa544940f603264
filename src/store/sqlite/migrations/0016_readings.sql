-- What collections of the audit read of AWS, page by page as it comes: who is interrupted goes on with it.

-- AUTOINCREMENT: a number is never given twice, and tells which of two began first.
CREATE TABLE reading_runs (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    instance    INTEGER NOT NULL REFERENCES collected_instances (number),
    began_at    INTEGER NOT NULL,
    is_finished INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX reading_runs_unfinished ON reading_runs (instance, id) WHERE is_finished = 0;
CREATE INDEX reading_runs_age ON reading_runs (began_at);

-- Of each page the newest. began_at is when the first page of its reading was read: pages with the same one
-- belong together. The content comes last, so that whoever reads all else does not pass it.
CREATE TABLE reading_pages (
    number    INTEGER NOT NULL PRIMARY KEY,
    instance  INTEGER NOT NULL REFERENCES collected_instances (number),
    operation TEXT    NOT NULL,
    about     TEXT    NOT NULL,
    page      INTEGER NOT NULL,
    run       INTEGER NOT NULL,
    began_at  INTEGER NOT NULL,
    read_at   INTEGER NOT NULL,
    is_last   INTEGER NOT NULL,
    content   TEXT    NOT NULL,
    UNIQUE (instance, operation, about, page)
);
-- Which readings there are is told without a look at any content.
CREATE INDEX reading_pages_whole
    ON reading_pages (instance, operation, about, began_at, run, page, is_last);
CREATE INDEX reading_pages_age ON reading_pages (began_at);
