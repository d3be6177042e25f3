-- Version 15: TLS certificates of clients.

ALTER TABLE client  ADD COLUMN certificate TEXT; -- a JSON object: what the client's certificate is known by
-- The certificate that a public client's refresh tokens are bound to.
ALTER TABLE session ADD COLUMN x5t BLOB;
