-- queries/alert/unclaimed.sqlite.sql: new alerts in the order in which they are claimed
SELECT a.document
FROM alert_documents a
WHERE a.status = 'new' AND a.last_seen_at >= $1
ORDER BY a.severity, a.created_at, a.alert_ref
LIMIT $2
