-- queries/incident/list.sqlite.sql: incidents for a person: those that are worked on before the others, the worst first
SELECT json_object(
    'incident_ref', i.incident_ref,
    'signature', i.signature,
    'service', i.service,
    'env', i.env,
    'title', i.title,
    'severity', i.severity,
    'state', i.state,
    'opened_at', i.opened_at,
    'last_alert_at', i.last_alert_at,
    'alerts', i.alerts,
    'entries', i.entries,
    'closed_by', i.closed_by,
    'closed_at', i.closed_at,
    'resolution', i.resolution
)
FROM incidents i
WHERE ($1 IS NULL OR i.service = $1)
    AND (i.state IN ('open', 'mitigating') OR $2 = 1)
ORDER BY i.state NOT IN ('open', 'mitigating'), i.severity, i.opened_at DESC, i.incident_ref DESC
LIMIT $3
