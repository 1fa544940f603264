-- How many grants have not begun is counted every few seconds, with the oldest of them. Those that
-- stand or go are counted by grants_ends and grants_endings; what is over, which grows without end, is
-- in none of these and is not counted.
CREATE INDEX grants_beginning ON grants (state, created_at)
    WHERE state IN ('PENDING_APPROVAL', 'SCHEDULED', 'PROVISIONING');
