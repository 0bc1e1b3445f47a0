-- queries/alert/expire.sql: removes alerts that were acknowledged before then
DELETE FROM alerts WHERE alert_ref IN (
    SELECT alert_ref FROM alerts WHERE status = 'acked' AND settled_at < $1
    ORDER BY settled_at LIMIT $2
)
