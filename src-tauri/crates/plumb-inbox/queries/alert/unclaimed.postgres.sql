-- queries/alert/unclaimed.postgres.sql: new alerts in the order in which they are claimed
SELECT row_to_json(a)::text
FROM alerts a
WHERE a.status = 'new' AND a.last_seen_at >= $1
ORDER BY a.severity, a.created_at, a.alert_ref
LIMIT $2
