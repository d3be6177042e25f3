-- Version 16: users with another name in every sector.

-- What the session's tokens call the user; null where that is the user's own identifier.
ALTER TABLE session ADD COLUMN pairwise_subject TEXT;
