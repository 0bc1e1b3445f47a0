-- a document that is still as it was read
UPDATE document SET version = version + 1, body = ?3, changed_at_ms = ?4
WHERE collection = ?1 AND key = ?2 AND version = ?5
