-- queries/incident/list.sqlite.sql: incidents for a person: those that are worked on before the others, the worst first
SELECT i.document
FROM incident_documents i
WHERE ($1 IS NULL OR i.service = $1)
    AND (i.state IN ('open', 'mitigating') OR $2 = 1)
ORDER BY i.state NOT IN ('open', 'mitigating'), i.severity, i.opened_at DESC, i.incident_ref DESC
LIMIT $3
