-- Version 20: sessions know when their user logged in, and say so in their tokens.

ALTER TABLE session ADD COLUMN auth_time INTEGER; -- null where a provider has not said it
-- A provider may have known its user for long. Of what arose from a login it is that login's time, where its row is there
-- still; a later login took its sessions over, and is younger than they are.
UPDATE session SET auth_time = CASE WHEN login IS NULL THEN created_at ELSE
    (SELECT before.created_at FROM session AS before
     WHERE before.id = session.login AND before.created_at <= session.created_at) END
WHERE provider IS NULL;

-- The login's own row says it.
ALTER TABLE code                 DROP COLUMN auth_time;
ALTER TABLE device_authorization DROP COLUMN auth_time;
