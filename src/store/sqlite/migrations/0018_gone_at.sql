-- When an assignment was last read to be gone, also where it was found there again: what is there now
-- was made anew by somebody, however long collections have seen one there.
ALTER TABLE assignments ADD COLUMN gone_at INTEGER;
UPDATE assignments SET gone_at = removed_at;
