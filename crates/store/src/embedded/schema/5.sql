-- Version 5: clients push their authorization requests.

ALTER TABLE client ADD COLUMN require_pushed INTEGER NOT NULL DEFAULT 0;

CREATE TABLE pushed_request (
    digest     BLOB    NOT NULL PRIMARY KEY, -- a keyed hash of 32 bytes; the request_uri itself is nowhere
    client     TEXT    NOT NULL,
    query      TEXT    NOT NULL,             -- form-urlencoded
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX pushed_request_by_end ON pushed_request (expires_at);
