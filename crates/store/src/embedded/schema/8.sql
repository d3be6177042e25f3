-- Version 8: clients register themselves.

CREATE TABLE initial_access_token (
    digest     BLOB    NOT NULL PRIMARY KEY, -- a keyed hash of 32 bytes; the token itself is nowhere
    id         TEXT    NOT NULL UNIQUE,
    policy     TEXT    NOT NULL,             -- a JSON object
    uses_left  INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Clients that have registered themselves, and what they manage their registration with.
CREATE TABLE registration (
    client TEXT NOT NULL PRIMARY KEY,
    digest BLOB NOT NULL, -- a keyed hash of 32 bytes
    policy TEXT NOT NULL  -- that of the token they came with
) STRICT, WITHOUT ROWID;
