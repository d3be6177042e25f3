-- Version 21: what is granted may be for several resource servers, of which `resource` is the first.

ALTER TABLE code                 ADD COLUMN more_resources TEXT; -- a JSON array; null where there is one
ALTER TABLE device_authorization ADD COLUMN more_resources TEXT; -- the same
ALTER TABLE session              ADD COLUMN more_resources TEXT; -- the same
