-- Asynchronous changes: what may be under way in AWS, and how much of it there may be.

ALTER TABLE assignments ADD COLUMN failed_operations INTEGER NOT NULL DEFAULT 0;
ALTER TABLE assignments ADD COLUMN pending_write TEXT;
ALTER TABLE assignments ADD COLUMN pending_since INTEGER
    CHECK ((pending_write IS NULL) = (pending_since IS NULL));
ALTER TABLE assignments ADD COLUMN pending_request_id TEXT
    CHECK (pending_request_id IS NULL OR pending_write IS NOT NULL);
-- 1 while the assignment counts against the limit of outstanding changes of its instance: from its
-- claim on, and as long as a change is pending. No change begins without one.
ALTER TABLE assignments ADD COLUMN asynchronous_slot INTEGER NOT NULL DEFAULT 0
    CHECK (asynchronous_slot IN (0, 1) AND (pending_write IS NULL OR asynchronous_slot = 1));

-- The slots of an instance are counted at every claim, and the poller reads what is pending.
CREATE INDEX assignments_outstanding ON assignments (instance_arn) WHERE asynchronous_slot = 1;
