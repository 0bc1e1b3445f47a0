-- queries/document/list.postgres.sql: documents whose key is in a range, in order
SELECT key, version, body
FROM hub_document
WHERE collection = $1 AND key >= $2 AND key < $3
ORDER BY key
LIMIT $4
