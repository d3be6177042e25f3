-- Version 17: claims that a client asked for one by one.

ALTER TABLE code    ADD COLUMN claims TEXT NOT NULL DEFAULT '{}'; -- a JSON object
ALTER TABLE session ADD COLUMN claims TEXT NOT NULL DEFAULT '{}'; -- the same
