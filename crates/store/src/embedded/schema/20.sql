-- Version 20: sessions know when their user logged in, and say so in their tokens.

ALTER TABLE session ADD COLUMN auth_time INTEGER; -- null where a provider has not said it
-- A provider may have known its user for long. What arose from a login is no younger than what is left of that.
UPDATE session SET auth_time = min(created_at, coalesce(
    (SELECT login.created_at FROM session AS login WHERE login.id = session.login), created_at))
WHERE provider IS NULL;

-- The login's own row says it.
ALTER TABLE code                 DROP COLUMN auth_time;
ALTER TABLE device_authorization DROP COLUMN auth_time;
