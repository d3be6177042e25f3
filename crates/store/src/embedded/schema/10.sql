-- Version 10: what the master key opens. Everything else that is sealed hangs on it.

CREATE TABLE root (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    sealed BLOB NOT NULL
) STRICT;
