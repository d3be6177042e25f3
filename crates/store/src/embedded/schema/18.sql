-- Version 18: e-mail addresses of users, and their identities at providers elsewhere.

ALTER TABLE user ADD COLUMN email TEXT; -- as it was given
ALTER TABLE user ADD COLUMN email_verified INTEGER NOT NULL DEFAULT 0;
-- An address that nobody has verified may be claimed by several.
CREATE UNIQUE INDEX user_by_email ON user (lower(email)) WHERE email_verified = 1;

-- An identity is one user's, and a user has one at each provider.
CREATE TABLE linked_identity (
    provider  TEXT    NOT NULL,
    subject   TEXT    NOT NULL, -- compared byte by byte
    user      BLOB    NOT NULL,
    linked_at INTEGER NOT NULL,
    PRIMARY KEY (provider, subject)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX linked_identity_by_user ON linked_identity (user, provider);

ALTER TABLE session ADD COLUMN provider TEXT; -- with which its user logged in; null for a password
