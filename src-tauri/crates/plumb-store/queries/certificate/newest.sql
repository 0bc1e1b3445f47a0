-- queries/certificate/newest.sql: the newest certificate of a run
SELECT run_id, fleet, observed_at_ms, green, statement, envelope
FROM certificate
WHERE run_id = ?1
ORDER BY observed_at_ms DESC, id DESC
LIMIT 1
