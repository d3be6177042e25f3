-- Version 9: rich authorization requests.

ALTER TABLE code    ADD COLUMN authorization_details TEXT NOT NULL DEFAULT '[]'; -- a JSON array
ALTER TABLE session ADD COLUMN authorization_details TEXT NOT NULL DEFAULT '[]'; -- a JSON array
