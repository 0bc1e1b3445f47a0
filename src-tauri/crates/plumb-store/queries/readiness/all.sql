-- queries/readiness/all.sql: everything that was added or withdrawn about the readiness of a fleet until a moment, oldest first
SELECT item, document, added_by, added_at_ms FROM readiness WHERE fleet = ?1 AND added_at_ms <= ?2 ORDER BY added_at_ms, id
