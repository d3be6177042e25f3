-- Version 11: clients are told of logouts.

ALTER TABLE client ADD COLUMN backchannel_logout_uri  TEXT;
ALTER TABLE client ADD COLUMN frontchannel_logout_uri TEXT;

-- What clients have not been told yet.
CREATE TABLE logout_notice (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    session  BLOB    NOT NULL,
    user     BLOB    NOT NULL,
    client   TEXT    NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX logout_notice_by_due ON logout_notice (due_at);

-- Whatever ends a session, one or a million: with it comes its notice, or neither.
CREATE TRIGGER session_ended AFTER UPDATE OF revoked_at ON session
WHEN old.revoked_at IS NULL AND new.revoked_at IS NOT NULL
BEGIN
    INSERT INTO logout_notice (session, user, client, due_at)
    SELECT new.id, new.user, new.client, new.revoked_at FROM client
    WHERE id = new.client AND backchannel_logout_uri IS NOT NULL;
END;
