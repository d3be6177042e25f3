-- Version 23: what people call users.

ALTER TABLE user ADD COLUMN name TEXT; -- null where nobody has said it
