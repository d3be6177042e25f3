-- Version 12: receivers of shared signals. What they are told is in the table `revocation`.

CREATE TABLE stream (
    id            BLOB    NOT NULL PRIMARY KEY,
    client        TEXT    NOT NULL UNIQUE,
    config        TEXT    NOT NULL, -- a JSON object
    authorization BLOB,             -- encrypted by the issuer
    taken_up_to   INTEGER NOT NULL  -- a place in the log
) STRICT, WITHOUT ROWID;
