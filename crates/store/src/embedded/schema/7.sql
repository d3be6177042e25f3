-- Version 7: devices that cannot show a login page ask for tokens, and users allow it elsewhere.

CREATE TABLE device_authorization (
    digest     BLOB    NOT NULL PRIMARY KEY, -- a keyed hash of 32 bytes; the device code itself is nowhere
    user_code  BLOB    NOT NULL UNIQUE,      -- the same of the user code
    client     TEXT    NOT NULL,
    scope      TEXT    NOT NULL,
    resource   TEXT    NOT NULL,
    expires_at INTEGER NOT NULL,
    denied     INTEGER NOT NULL DEFAULT 0,
    user       BLOB,                         -- who has allowed it, with the two that follow
    login      BLOB,
    auth_time  INTEGER,
    used_at    INTEGER,
    session    BLOB                          -- what it gave
) STRICT, WITHOUT ROWID;
CREATE INDEX device_authorization_by_end ON device_authorization (expires_at);
