-- Version 6: what is given is bound to a key that its client shows.

ALTER TABLE client  ADD COLUMN extensions TEXT NOT NULL DEFAULT '{}'; -- a JSON object

-- The thumbprint of the key, 32 bytes; null where there is none.
ALTER TABLE code    ADD COLUMN jkt BLOB;
ALTER TABLE session ADD COLUMN jkt BLOB;
