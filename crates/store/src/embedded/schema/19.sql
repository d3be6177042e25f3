-- Version 19: signing keys, and what verifiers may still reckon with because of them.

-- Milliseconds. Of keys that are there already the next start notes them.
ALTER TABLE signing_key ADD COLUMN publish_ahead INTEGER NOT NULL DEFAULT 0;
ALTER TABLE signing_key ADD COLUMN verify_for INTEGER NOT NULL DEFAULT 0;
