-- queries/incident/open.sqlite.sql: the newest incident of a signature that is not closed
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
WHERE i.signature = $1 AND i.state <> 'closed'
ORDER BY i.opened_at DESC, i.incident_ref DESC
LIMIT 1
