-- queries/certificate/list.sql: the newest certificates of a fleet, newest first; all of them, or the green ones only
SELECT run_id, fleet, observed_at_ms, green, statement, envelope
FROM certificate
WHERE fleet = ?1 AND green >= ?2
ORDER BY observed_at_ms DESC, id DESC
LIMIT ?3
