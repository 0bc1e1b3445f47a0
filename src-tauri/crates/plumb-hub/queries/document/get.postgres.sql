-- queries/document/get.postgres.sql: one document
SELECT key, version, body
FROM hub_document
WHERE collection = $1 AND key = $2
