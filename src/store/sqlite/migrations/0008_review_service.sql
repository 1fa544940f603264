-- The service through which a reviewer spoke: policies may ask for it when the word is counted again.

ALTER TABLE reviews ADD COLUMN service TEXT;
UPDATE reviews SET service = substr(caller, 9)
    WHERE caller LIKE 'service:%' AND reviewer <> caller;
