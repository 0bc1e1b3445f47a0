-- queries/incident/get.sqlite.sql: an incident by reference
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
WHERE i.incident_ref = $1
