-- Version 22: what users have allowed is kept for each resource.

CREATE TABLE consent_of_resource (
    user     BLOB    NOT NULL,
    client   TEXT    NOT NULL,
    resource TEXT    NOT NULL, -- empty: the client's default, of consents from before this version
    scope    TEXT    NOT NULL,
    given_at INTEGER NOT NULL, -- when its first scope was allowed
    PRIMARY KEY (user, client, resource)
) STRICT, WITHOUT ROWID;

INSERT INTO consent_of_resource SELECT user, client, '', scope, given_at FROM consent;
DROP TABLE consent;
ALTER TABLE consent_of_resource RENAME TO consent;
