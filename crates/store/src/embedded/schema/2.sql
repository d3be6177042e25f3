-- Version 2: users log in to applications through the authorization server's own pages.

ALTER TABLE client ADD COLUMN redirect_uris             TEXT    NOT NULL DEFAULT '[]'; -- a JSON array
ALTER TABLE client ADD COLUMN post_logout_redirect_uris TEXT    NOT NULL DEFAULT '[]'; -- a JSON array
ALTER TABLE client ADD COLUMN trusted                   INTEGER NOT NULL DEFAULT 0;
ALTER TABLE client ADD COLUMN require_pkce              INTEGER NOT NULL DEFAULT 1;

-- The login at those pages that a session arose from. A login is a session of the client
-- `gatepass-sign-on`.
ALTER TABLE session ADD COLUMN login BLOB;

CREATE TABLE code (
    digest       BLOB    NOT NULL PRIMARY KEY, -- a keyed hash of 32 bytes; the code itself is nowhere
    client       TEXT    NOT NULL,
    redirect_uri TEXT    NOT NULL,
    challenge    TEXT,             -- of method S256; null for a client that is exempt
    user         BLOB    NOT NULL,
    login        BLOB    NOT NULL,
    auth_time    INTEGER NOT NULL,
    scope        TEXT    NOT NULL,
    resource     TEXT    NOT NULL,
    nonce        TEXT,
    expires_at   INTEGER NOT NULL,
    used_at      INTEGER,
    session      BLOB              -- what it gave
) STRICT, WITHOUT ROWID;
CREATE INDEX code_by_end ON code (expires_at);

CREATE TABLE consent (
    user     BLOB    NOT NULL,
    client   TEXT    NOT NULL,
    scope    TEXT    NOT NULL,
    given_at INTEGER NOT NULL,
    PRIMARY KEY (user, client)
) STRICT, WITHOUT ROWID;
