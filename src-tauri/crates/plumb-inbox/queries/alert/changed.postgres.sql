-- queries/alert/changed.postgres.sql: alerts that were kept after a place, the longest ago first
SELECT row_to_json(a)::text
FROM alerts a
WHERE (a.changed_at, a.alert_ref) > ($1, $2)
ORDER BY a.changed_at, a.alert_ref
LIMIT $3
