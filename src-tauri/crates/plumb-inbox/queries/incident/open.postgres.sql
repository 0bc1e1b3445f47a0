-- queries/incident/open.postgres.sql: the newest incident of a signature that is not closed
SELECT row_to_json(i)::text
FROM incidents i
WHERE i.signature = $1 AND i.state <> 'closed'
ORDER BY i.opened_at DESC, i.incident_ref DESC
LIMIT 1
