-- Version 3: token exchange and tickets.

ALTER TABLE client ADD COLUMN exchange TEXT; -- a JSON object; null where it may exchange nothing

-- Tickets that were used, until they have expired for everybody. A ticket that is not here was not used.
CREATE TABLE ticket (
    jti          BLOB    NOT NULL PRIMARY KEY,
    forget_after INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX ticket_by_end ON ticket (forget_after);
