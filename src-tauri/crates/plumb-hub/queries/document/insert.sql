-- a document that is not there yet
INSERT INTO document (collection, key, version, body, changed_at_ms) VALUES (?1, ?2, 1, ?3, ?4)
ON CONFLICT (collection, key) DO NOTHING
