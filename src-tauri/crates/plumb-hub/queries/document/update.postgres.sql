-- queries/document/update.postgres.sql: a document that is as it was read; nothing where it is not
UPDATE hub_document
SET version = version + 1, body = $3, changed_at_ms = $4
WHERE collection = $1 AND key = $2 AND version = $5
