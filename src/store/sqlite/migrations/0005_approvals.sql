-- What grants cost and who agreed; starts in the future; break-glass; wishes for more time.

ALTER TABLE grants ADD COLUMN service TEXT;
ALTER TABLE grants ADD COLUMN subject_proven INTEGER NOT NULL DEFAULT 1
    CHECK (subject_proven IN (0, 1));
ALTER TABLE grants ADD COLUMN known_as TEXT;
-- JSON: the ways to pay, as they were when it was asked for. Written once, read whole.
ALTER TABLE grants ADD COLUMN paths TEXT NOT NULL DEFAULT '[]';
ALTER TABLE grants ADD COLUMN break_glass INTEGER NOT NULL DEFAULT 0
    CHECK (break_glass IN (0, 1));
ALTER TABLE grants ADD COLUMN review_due INTEGER NOT NULL DEFAULT 0
    CHECK (review_due IN (0, 1) AND (review_due = 0 OR break_glass = 1));
-- Set where the grant took over an assignment that was there: whose that was before.
ALTER TABLE grants ADD COLUMN adopted_from TEXT;
ALTER TABLE grants ADD COLUMN owner TEXT CHECK (owner IS NULL OR adopted_from IS NOT NULL);
ALTER TABLE grants ADD COLUMN start_asked_at INTEGER;
ALTER TABLE grants ADD COLUMN lapses_at INTEGER;
ALTER TABLE grants ADD COLUMN look_at INTEGER;
-- JSON: one wish for more time, while it is open.
ALTER TABLE grants ADD COLUMN extension TEXT;
ALTER TABLE grants ADD COLUMN extension_count INTEGER NOT NULL DEFAULT 0;

-- What Usher looks at by itself, oldest first: few grants at any time.
CREATE INDEX grants_look ON grants (instance_arn, look_at) WHERE look_at IS NOT NULL;
-- What people can agree to, newest first: in the very words of the list's condition.
CREATE INDEX grants_wishes ON grants (instance_arn, id)
    WHERE look_at IS NOT NULL AND state <> 'SCHEDULED';
-- What is not in AWS yet and goes with its assignment.
CREATE INDEX grants_waiting ON grants (instance_arn, target_kind, target, principal_type, principal_id)
    WHERE state IN ('PENDING_APPROVAL', 'SCHEDULED');
CREATE INDEX grants_of_subject ON grants (instance_arn, subject, id);
CREATE INDEX grants_unreviewed ON grants (instance_arn, id) WHERE review_due = 1;

-- Made anew: of indexes that seem to cost the same, as they do with rows this wide, SQLite takes the
-- one that was made last, and this one leaves out all that is over.
DROP INDEX grants_open_of_principal;
CREATE INDEX grants_open_of_principal ON grants (instance_arn, principal_type, principal_id)
    WHERE state IN ('PROVISIONING', 'ACTIVE', 'REVOKING');

-- What reviewers said. The key is what makes a person count once for each wish.
CREATE TABLE reviews (
    grant_id    TEXT    NOT NULL REFERENCES grants (id),
    round       INTEGER NOT NULL,
    reviewer    TEXT    NOT NULL,
    caller      TEXT    NOT NULL,
    decision    TEXT    NOT NULL,
    subject_proven INTEGER NOT NULL CHECK (subject_proven IN (0, 1)),
    vouched_by  TEXT,
    digest      TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    reviewed_at INTEGER NOT NULL,
    PRIMARY KEY (grant_id, round, reviewer)
);
CREATE INDEX reviews_of_reviewer ON reviews (reviewer, grant_id);
CREATE INDEX reviews_of_voucher ON reviews (vouched_by, grant_id) WHERE vouched_by IS NOT NULL;
