-- What somebody waits for is not kept waiting by ends that fell due together: each kind of work is claimed
-- by itself. Derived at every write, as end_due_at is: 0 break-glass that is being made, 1 what somebody
-- asked for (a grant that is being made, a removal, a revocation), 2 the rest.

ALTER TABLE assignments ADD COLUMN work_kind INTEGER NOT NULL DEFAULT 2;

UPDATE assignments SET work_kind = 1 WHERE next_attempt_at IS NOT NULL AND (
    removal_at IS NOT NULL OR EXISTS (
        SELECT 1 FROM grants WHERE grants.instance_arn = assignments.instance_arn
        AND grants.target_kind = assignments.target_kind AND grants.target = assignments.target
        AND grants.principal_type = assignments.principal_type
        AND grants.principal_id = assignments.principal_id
        AND (state = 'PROVISIONING' OR (state = 'REVOKING' AND ending_kind = 'REVOKED'))));

UPDATE assignments SET work_kind = 0 WHERE next_attempt_at IS NOT NULL AND EXISTS (
    SELECT 1 FROM grants WHERE grants.instance_arn = assignments.instance_arn
    AND grants.target_kind = assignments.target_kind AND grants.target = assignments.target
    AND grants.principal_type = assignments.principal_type
    AND grants.principal_id = assignments.principal_id
    AND state = 'PROVISIONING' AND break_glass = 1);

DROP INDEX assignments_due;
CREATE INDEX assignments_due ON assignments
    (instance_arn, work_kind, next_attempt_at, target_kind, target)
    WHERE next_attempt_at IS NOT NULL;
