-- queries/incident/open.sqlite.sql: the newest incident of a signature that is not closed
SELECT i.document
FROM incident_documents i
WHERE i.signature = $1 AND i.state <> 'closed'
ORDER BY i.opened_at DESC, i.incident_ref DESC
LIMIT 1
