-- Whether something of Usher's own may have been there before the change that is pending. Of a change
-- that an earlier version left, nobody knows: it counts as if.
ALTER TABLE assignments ADD COLUMN pending_own_before INTEGER NOT NULL DEFAULT 1
    CHECK (pending_own_before IN (0, 1));
