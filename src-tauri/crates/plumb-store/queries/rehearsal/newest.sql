-- queries/rehearsal/newest.sql: the newest rehearsal of a runbook
SELECT documents, rehearsed_at_ms, green, report
FROM rehearsal
WHERE fleet = ?1 AND runbook = ?2
ORDER BY id DESC
LIMIT 1
