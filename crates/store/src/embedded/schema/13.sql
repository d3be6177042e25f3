-- Version 13: tokens with a place in a status list, until they are dead.

CREATE TABLE token_status (
    list         TEXT    NOT NULL,
    idx          INTEGER NOT NULL,
    token        TEXT    NOT NULL, -- a JSON object: what its status hangs on
    forget_after INTEGER NOT NULL,
    PRIMARY KEY (list, idx)
) STRICT, WITHOUT ROWID;
CREATE INDEX token_status_by_end ON token_status (forget_after);
