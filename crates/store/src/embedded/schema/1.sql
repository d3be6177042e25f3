-- Version 1. Never edited once released: a change is the next file.
--
-- Identifiers are 16 bytes, instants are milliseconds since 1970-01-01T00:00:00Z, truth is 0 or 1.

CREATE TABLE user (
    id         BLOB    NOT NULL PRIMARY KEY,
    username   TEXT    NOT NULL, -- as it was given
    folded     TEXT    NOT NULL UNIQUE,
    password   TEXT    NOT NULL, -- a PHC string
    disabled   INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A role need not be in the table `role` to be held.
CREATE TABLE user_role (
    user BLOB NOT NULL,
    role TEXT NOT NULL,
    PRIMARY KEY (user, role)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_role_by_role ON user_role (role);

CREATE TABLE role (
    name  TEXT NOT NULL PRIMARY KEY,
    scope TEXT NOT NULL -- with single spaces between
) STRICT, WITHOUT ROWID;

CREATE TABLE client (
    id         TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    secret     BLOB,             -- a keyed hash of 32 bytes; null for a public client
    grants     TEXT    NOT NULL, -- a JSON array
    scope      TEXT    NOT NULL,
    audience   TEXT    NOT NULL, -- a JSON array
    disabled   INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The columns that a rotation writes take the same number of bytes before and after it, so that it
-- overwrites the row in place. SQLite stores an integer in as few bytes as it needs, hence:
-- `generation` is the generation less 2147483648, four bytes from the first on, and `rotated_at` is
-- -140737488355327, six bytes like any instant, where the session was never rotated.
CREATE TABLE session (
    id              BLOB    NOT NULL PRIMARY KEY,
    user            BLOB    NOT NULL,
    client          TEXT    NOT NULL,
    scope           TEXT,
    resource        TEXT,
    device          TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    generation      INTEGER NOT NULL,
    rotated_at      INTEGER NOT NULL,
    idle_expires_at INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    revoked_at      INTEGER,
    bound           INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_by_user ON session (user);

-- AUTOINCREMENT, because a place in the log must not be used again when the newest entries were
-- forgotten. SQLite keeps the greatest place ever used in `sqlite_sequence`.
CREATE TABLE revocation (
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    kind          TEXT    NOT NULL,
    id            TEXT    NOT NULL, -- as the claim says it; empty for kind `all`
    issued_before INTEGER NOT NULL,
    forget_after  INTEGER NOT NULL,
    reason        TEXT    NOT NULL
) STRICT;
CREATE INDEX revocation_by_end ON revocation (forget_after);

CREATE TABLE signing_key (
    kid          TEXT    NOT NULL PRIMARY KEY,
    alg          TEXT    NOT NULL,
    sealed       BLOB    NOT NULL, -- the private key, encrypted by the issuer
    published_at INTEGER NOT NULL,
    signs_from   INTEGER,
    signed_until INTEGER
) STRICT, WITHOUT ROWID;
