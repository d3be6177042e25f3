-- Version 14: rich authorization requests of devices.

ALTER TABLE device_authorization ADD COLUMN authorization_details TEXT NOT NULL DEFAULT '[]'; -- a JSON array
