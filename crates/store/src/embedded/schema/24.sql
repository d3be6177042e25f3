-- Version 24: public halves of signing keys that have left the key set, for ID tokens that come back as hints.

CREATE TABLE retired_key (
    kid          TEXT    NOT NULL PRIMARY KEY,
    alg          TEXT    NOT NULL,
    jwk          TEXT    NOT NULL, -- a JSON object: a public key
    forget_after INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
