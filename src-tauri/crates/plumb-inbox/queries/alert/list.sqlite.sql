-- queries/alert/list.sqlite.sql: alerts for a person, those seen last first
SELECT a.document
FROM alert_documents a
WHERE a.last_seen_at >= $1
    AND ($2 IS NULL OR a.env = $2)
    AND ($3 IS NULL OR a.service = $3)
    AND ($4 IS NULL OR a.source = $4)
    AND ($5 IS NULL OR a.signature = $5)
    AND ($6 IS NULL OR a.incident_ref = $6)
    AND ($7 IS NULL OR $7 LIKE '%' || a.status || '%')
    AND ($8 IS NULL OR (a.last_seen_at, a.alert_ref) < ($8, $9))
ORDER BY a.last_seen_at DESC, a.alert_ref DESC
LIMIT $10
