-- The first collection of an instance that lacked nothing: what it saw was there before Usher kept account
-- of what appears. It stays known when the history before a later time is forgotten.
ALTER TABLE collected_instances ADD COLUMN first_whole INTEGER;
UPDATE collected_instances SET first_whole =
    (SELECT MIN(id) FROM collections WHERE instance = number AND state = 'FINISHED' AND is_whole = 1);
