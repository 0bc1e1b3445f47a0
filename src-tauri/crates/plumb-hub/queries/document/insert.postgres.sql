-- queries/document/insert.postgres.sql: a new document; nothing where there is one
INSERT INTO hub_document (collection, key, version, body, changed_at_ms)
VALUES ($1, $2, 1, $3, $4)
ON CONFLICT (collection, key) DO NOTHING
