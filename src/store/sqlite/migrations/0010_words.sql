-- A person's own word and a service's for that person are two words: each stands for other approvers.

CREATE TABLE words (
    grant_id    TEXT    NOT NULL REFERENCES grants (id),
    round       INTEGER NOT NULL,
    reviewer    TEXT    NOT NULL,
    -- The service that vouches; empty for the reviewer's own word.
    vouched_by  TEXT    NOT NULL,
    caller      TEXT    NOT NULL,
    service     TEXT,
    decision    TEXT    NOT NULL,
    subject_proven INTEGER NOT NULL CHECK (subject_proven IN (0, 1)),
    digest      TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    reviewed_at INTEGER NOT NULL,
    PRIMARY KEY (grant_id, round, reviewer, vouched_by)
);
INSERT INTO words (grant_id, round, reviewer, vouched_by, caller, service, decision,
                   subject_proven, digest, reason, reviewed_at)
    SELECT grant_id, round, reviewer, COALESCE(vouched_by, ''), caller, service, decision,
           subject_proven, digest, reason, reviewed_at FROM reviews;
DROP TABLE reviews;
ALTER TABLE words RENAME TO reviews;
CREATE INDEX reviews_of_reviewer ON reviews (reviewer, grant_id);
CREATE INDEX reviews_of_voucher ON reviews (vouched_by, grant_id) WHERE vouched_by <> '';
