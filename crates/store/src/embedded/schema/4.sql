-- Version 4: clients that authenticate by what they sign.

-- At most one of `secret`, `sealed_secret` and `jwks` is not null; all three are for a public client.
ALTER TABLE client ADD COLUMN sealed_secret BLOB; -- encrypted by the issuer, which must know it
ALTER TABLE client ADD COLUMN jwks          TEXT; -- a JSON object: a JWK Set of public keys

-- Signed texts that count once and were shown, until nobody would take them any more.
CREATE TABLE jti (
    digest       BLOB    NOT NULL PRIMARY KEY, -- 32 bytes, of what kind it is, who signed it and its `jti`
    forget_after INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX jti_by_end ON jti (forget_after);
